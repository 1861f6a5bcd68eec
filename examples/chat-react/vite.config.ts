import react from "@vitejs/plugin-react";
import { defineConfig, type ProxyOptions } from "vite";

const { OUTLAST_URL = "http://localhost:8070", OUTLAST_KEY } = process.env;

// What your own server does in production: it knows the user, holds the key and passes requests on.
const chat: ProxyOptions = {
  target: OUTLAST_URL,
  rewrite: (path) => path.replace("/api/chat", "/ai-sdk"),
  headers: OUTLAST_KEY ? { authorization: `Bearer ${OUTLAST_KEY}` } : {},
  // The key is for this page alone: requests of other sites' pages find nothing here.
  bypass: ({ headers }) =>
    ["same-origin", "none", undefined].includes(headers["sec-fetch-site"] as string | undefined)
      ? undefined
      : false,
};
const proxy = { "/api/chat": chat };

export default defineConfig({ plugins: [react()], server: { proxy }, preview: { proxy } });
