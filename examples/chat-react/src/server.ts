// What the page asks of the server. `/api/chat` is passed on to the app's `/ai-sdk`.

import { DefaultChatTransport, type UIMessage } from "ai";

/** A chat: who answers, and its name, which is that of a thread. */
export interface ChatName {
  agent: string;
  id: string;
}

/** What the app says of a run when its answer ends. */
type Metadata = { outlast?: { run_id: string; incomplete_reason?: string } };

/** What takes more than yes or no, or a called agent asks: it is decided at the app's own address. */
type Data = {
  "outlast-approval": {
    reason: string;
    question?: string | null;
    decide_at: string;
    is_open: boolean;
  };
};

/** The tools that this page runs for its agents. */
type Tools = { find_user: { input: { city_only?: boolean }; output: string } };

export type Message = UIMessage<Metadata, Data, Tools>;

const api = ({ agent }: ChatName) => `/api/chat/${agent}`;

export const transport = (chat: ChatName) => new DefaultChatTransport<Message>({ api: api(chat) });

/** Return what was said in a chat; nothing if it is new. */
export async function loadMessages(chat: ChatName): Promise<Message[]> {
  return (await ask(chat, "messages")).json();
}

/** End the run that goes on in a chat. `stop()` of `useChat` would only hang up. */
export async function stopRun(chat: ChatName): Promise<void> {
  await ask(chat, "stop", { method: "POST" });
}

async function ask(chat: ChatName, what: string, options?: RequestInit): Promise<Response> {
  const answer = await fetch(`${api(chat)}/${chat.id}/${what}`, options);
  if (!answer.ok) throw new Error((await answer.text()) || `The app is away (${answer.status}).`);
  return answer;
}

/** Return what an error says to a person: the app's are problems in JSON. */
export function describe(error: Error): string {
  try {
    const { title, detail } = JSON.parse(error.message) as { title?: string; detail?: string };
    return detail ?? title ?? error.message;
  } catch {
    return error.message;
  }
}
