// The agents that this page talks to, of those in `shared/agents/example_agents`.

interface Agent {
  title: string;
  suggestions: string[];
}

export const AGENTS: Record<string, Agent> = {
  desk: {
    title: "Shop desk",
    suggestions: [
      "Please refund order A-1002, and is the Desk lamp, brass in stock?",
      "Where is my order A-1003?",
    ],
  },
  guide: {
    title: "City guide",
    suggestions: ["What is there to see here? My app may tell you where I am."],
  },
};
