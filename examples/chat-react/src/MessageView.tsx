import type { ChatAddToolApproveResponseFunction, ChatAddToolOutputFunction } from "ai";
import { isToolUIPart } from "ai";

import type { Message } from "./server";
import { ToolView } from "./ToolView";

/** What a person says to a tool call: it may run or may not, or what came of it in the page. */
export interface Answers {
  addToolApprovalResponse: ChatAddToolApproveResponseFunction;
  addToolOutput: ChatAddToolOutputFunction<Message>;
}

export function MessageView({ message, ...answers }: { message: Message } & Answers) {
  const run = message.metadata?.outlast;
  return (
    <li className={message.role}>
      {message.parts.map((part, index) => (
        <PartView key={index} part={part} {...answers} />
      ))}
      {run && (
        <footer>
          {run.incomplete_reason && `Cut short: ${run.incomplete_reason}. `}
          <code>outlast watch {run.run_id}</code>
        </footer>
      )}
    </li>
  );
}

function PartView({ part, ...answers }: { part: Message["parts"][number] } & Answers) {
  if (isToolUIPart(part)) return <ToolView part={part} {...answers} />;
  switch (part.type) {
    case "text":
      // A worker died while it wrote this, and what the model says anew follows.
      return part.providerMetadata?.outlast?.retracted ? null : <p>{part.text}</p>;
    case "reasoning":
      return <p className="reasoning">{part.text}</p>;
    case "file":
      return <a href={part.url}>{part.filename ?? part.mediaType}</a>;
    case "data-outlast-approval":
      if (!part.data.is_open) return null;
      return (
        <p className="notice">
          {part.data.question ?? `Waits for a decision (${part.data.reason}).`} Decide at{" "}
          <code>{part.data.decide_at}</code>.
        </p>
      );
    default:
      return null;
  }
}
