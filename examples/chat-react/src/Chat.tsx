import { useChat } from "@ai-sdk/react";
import {
  isToolUIPart,
  lastAssistantMessageIsCompleteWithApprovalResponses as isDecided,
  lastAssistantMessageIsCompleteWithToolCalls as isAnswered,
} from "ai";
import { type FormEvent, useEffect, useRef, useState } from "react";

import { AGENTS } from "./agents";
import { MessageView } from "./MessageView";
import { type ChatName, describe, loadMessages, type Message, stopRun, transport } from "./server";

const RECONNECT_MS = 1000;

interface Props {
  chat: ChatName;
  initialMessages: Message[];
}

export function Chat({ chat, initialMessages }: Props) {
  const [failure, setFailure] = useState<Error>();
  const { messages, setMessages, sendMessage, status, error, clearError, resumeStream, ...answers } =
    useChat<Message>({
      id: chat.id,
      messages: initialMessages,
      // After a reload: go on with the answer that is being written, or waits for somebody.
      resume: true,
      transport: transport(chat),
      // Once all is decided and answered that the run waits for, it goes on.
      sendAutomaticallyWhen: (options) => isDecided(options) || isAnswered(options),
      onError: () => setFailure(undefined),
      // A stream that broke off, as when the app restarts, lacks its end. The run goes on.
      onFinish: ({ isAbort, isError, isDisconnect, finishReason }) => {
        const hasEnded = isAbort || isError || finishReason !== undefined;
        if (isDisconnect || !hasEnded) setTimeout(() => void resumeStream(), RECONNECT_MS);
      },
    });
  const isBusy = status === "submitted" || status === "streaming";
  const isAsked = messages.at(-1)?.parts.some(waitsForUser) ?? false;
  const wrong = failure ?? error;

  /** Show what the server has. It is right, whatever this page has missed. */
  async function lookAgain() {
    setFailure(undefined);
    clearError();
    try {
      setMessages(await loadMessages(chat));
      await resumeStream();
    } catch (failed) {
      setFailure(failed as Error);
    }
  }

  async function stop() {
    try {
      await stopRun(chat);
    } catch (failed) {
      setFailure(failed as Error);
      return;
    }
    // An answer that streams says itself that it was stopped; one that waited is silent.
    if (!isBusy) await lookAgain();
  }

  return (
    <main>
      <ol className="messages">
        {messages.map((message) => (
          <MessageView key={message.id} message={message} {...answers} />
        ))}
        {status === "submitted" && <li className="assistant working">…</li>}
        <Bottom of={messages} />
      </ol>
      {messages.length === 0 && (
        <Suggestions agent={chat.agent} choose={(text) => void sendMessage({ text })} />
      )}
      {wrong && (
        <p role="alert">
          {describe(wrong)} <button onClick={() => void lookAgain()}>Look again</button>
        </p>
      )}
      <Composer
        isBlocked={isBusy || isAsked}
        placeholder={isAsked ? "Please answer above first" : "Say something"}
        send={(text) => void sendMessage({ text })}
        stop={isBusy || isAsked ? () => void stop() : undefined}
      />
    </main>
  );
}

function waitsForUser(part: Message["parts"][number]): boolean {
  if (!isToolUIPart(part)) return false;
  const isOurs = part.state === "input-available" && !part.providerExecuted;
  return isOurs || part.state === "approval-requested";
}

function Suggestions({ agent, choose }: { agent: string; choose: (text: string) => void }) {
  return (
    <p className="suggestions">
      {AGENTS[agent]?.suggestions.map((text) => (
        <button key={text} onClick={() => choose(text)}>
          {text}
        </button>
      ))}
    </p>
  );
}

interface ComposerProps {
  isBlocked: boolean;
  placeholder: string;
  send: (text: string) => void;
  stop: (() => void) | undefined;
}

function Composer({ isBlocked, placeholder, send, stop }: ComposerProps) {
  const [text, setText] = useState("");
  function submit(event: FormEvent) {
    event.preventDefault();
    if (isBlocked || !text.trim()) return;
    send(text);
    setText("");
  }
  return (
    <form className="composer" onSubmit={submit}>
      <input
        aria-label="Message"
        autoFocus
        placeholder={placeholder}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {stop ? (
        <button type="button" onClick={stop}>
          Stop
        </button>
      ) : (
        <button disabled={!text.trim()}>Send</button>
      )}
    </form>
  );
}

/** Keeps the newest message in view. */
function Bottom({ of }: { of: Message[] }) {
  const place = useRef<HTMLLIElement>(null);
  useEffect(() => {
    place.current?.scrollIntoView({ block: "end" });
  }, [of]);
  return <li ref={place} />;
}
