// Which chat is shown: the address says it, as `#desk/4f0c…`. So each has a link, and a reload
// finds it again.

import { useEffect, useState } from "react";

import { AGENTS } from "./agents";
import { Chat } from "./Chat";
import { type ChatName, describe, loadMessages, type Message } from "./server";

const newChat = (agent: string) => `#${agent}/${crypto.randomUUID()}`;

function readAddress(): ChatName | undefined {
  const [agent, id] = location.hash.slice(1).split("/");
  return agent && id ? { agent, id } : undefined;
}

function useAddress(): ChatName | undefined {
  const [chat, setChat] = useState(readAddress);
  useEffect(() => {
    const follow = () => setChat(readAddress());
    addEventListener("hashchange", follow);
    if (!readAddress()) location.replace(newChat(Object.keys(AGENTS)[0]!));
    return () => removeEventListener("hashchange", follow);
  }, []);
  return chat;
}

export function App() {
  const chat = useAddress();
  return (
    <>
      <header>
        <h1>Outlast</h1>
        <nav aria-label="New chat">
          {Object.entries(AGENTS).map(([name, { title }]) => (
            <a
              key={name}
              href={`#${name}`}
              aria-current={chat?.agent === name}
              onClick={(event) => {
                event.preventDefault();
                location.hash = newChat(name);
              }}
            >
              + {title}
            </a>
          ))}
        </nav>
      </header>
      {chat && <LoadedChat key={chat.id} chat={chat} />}
    </>
  );
}

/** A chat begins with what the server has of it; what goes on there now, `useChat` resumes. */
function LoadedChat({ chat }: { chat: ChatName }) {
  const [messages, setMessages] = useState<Message[]>();
  const [error, setError] = useState<Error>();
  useEffect(() => void loadMessages(chat).then(setMessages, setError), [chat]);
  if (error) return <p role="alert">{describe(error)}</p>;
  return messages ? <Chat chat={chat} initialMessages={messages} /> : <p>Loading …</p>;
}
