// Plays the scenarios of a script, one after the other, and says how each went.

export async function play(scenarios, make) {
  const [url, keys] = [process.argv.at(-2), JSON.parse(process.argv.at(-1))];
  for (const [name, key] of Object.entries(keys)) {
    const said = { scenario: name, ok: true };
    try {
      await scenarios[name](make(url), key);
    } catch (error) {
      Object.assign(said, { ok: false, error: error.stack ?? String(error) });
    }
    console.log(JSON.stringify(said));
  }
}

export async function waitUntil(isSo, what) {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
