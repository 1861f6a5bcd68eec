import { type DynamicToolUIPart, getToolName, type ToolUIPart } from "ai";
import { type FormEvent, useState } from "react";

import type { Answers } from "./MessageView";
import type { Message } from "./server";

type ToolPart = Extract<Message["parts"][number], ToolUIPart | DynamicToolUIPart>;

const STATES: Record<ToolPart["state"], string> = {
  "input-streaming": "…",
  "input-available": "at work",
  "approval-requested": "asks you",
  "approval-responded": "decided",
  "output-available": "done",
  "output-error": "failed",
  "output-denied": "denied",
};

export function ToolView({ part, ...answers }: { part: ToolPart } & Answers) {
  return (
    <section className={`tool ${part.state}`}>
      <details open={part.state === "approval-requested"}>
        <summary>
          <code>{getToolName(part)}</code> <span>{STATES[part.state]}</span>
        </summary>
        <pre>{written(part.input)}</pre>
        {part.output !== undefined && <pre>{written(part.output)}</pre>}
        {part.errorText && <pre>{part.errorText}</pre>}
        {part.approval?.reason && <p>{part.approval.reason}</p>}
      </details>
      {part.state === "approval-requested" && (
        <Decision
          decide={(approved, reason) =>
            void answers.addToolApprovalResponse({
              id: part.approval.id,
              approved,
              ...(reason && { reason }),
            })
          }
        />
      )}
      {part.type === "tool-find_user" && part.state === "input-available" && (
        <Place
          tell={(output) =>
            void answers.addToolOutput({
              tool: "find_user",
              toolCallId: part.toolCallId,
              output,
            })
          }
          refuse={() =>
            void answers.addToolOutput({
              tool: "find_user",
              toolCallId: part.toolCallId,
              state: "output-error",
              errorText: "The user does not want to tell.",
            })
          }
        />
      )}
    </section>
  );
}

function Decision({ decide }: { decide: (approved: boolean, reason: string) => void }) {
  const [reason, setReason] = useState("");
  return (
    <div className="answer">
      <button className="first" onClick={() => decide(true, reason)}>
        Approve
      </button>
      <button onClick={() => decide(false, reason)}>Deny</button>
      <input
        aria-label="Reason"
        placeholder="Reason (may be left out)"
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
    </div>
  );
}

/** A tool that runs in the page: it asks the person who sits before it. */
function Place({ tell, refuse }: { tell: (city: string) => void; refuse: () => void }) {
  const [city, setCity] = useState("Berlin");
  function submit(event: FormEvent) {
    event.preventDefault();
    tell(city);
  }
  return (
    <form className="answer" onSubmit={submit}>
      <input aria-label="City" value={city} onChange={(event) => setCity(event.target.value)} />
      <button className="first" disabled={!city.trim()}>
        I am here
      </button>
      <button type="button" onClick={refuse}>
        I don’t tell
      </button>
    </form>
  );
}

const written = (value: unknown) =>
  typeof value === "string" ? value : JSON.stringify(value, null, 2);
