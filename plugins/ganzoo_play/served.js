"use strict";
// Pictures come from the command that serves the page; its secret is in the page's address.
const secret = new URLSearchParams(location.hash.slice(1)).get("token") || "";
async function ask(path, more = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...more, headers: { "X-Ganzoo-Token": secret } });
  } catch {
    throw new Error("the command has ended; start it again: ganzoo play");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}
function chosen(state) {
  const query = new URLSearchParams();
  if (state.label !== null) query.set("label", state.label);
  if (state.truncation !== null) query.set("truncation", state.truncation);
  const text = query.toString();
  return text ? "?" + text : "";
}
const source = {
  facts: async () => (await ask("/facts.json")).json(),
  start: async (seed) => new Float32Array(await (await ask("/start?seed=" + seed)).arrayBuffer()),
  picture: async (latent, state) =>
    createImageBitmap(await (await ask("/picture" + chosen(state), { method: "POST", body: latent })).blob()),
  file: async (latent, state) =>
    (await ask("/sheet" + chosen(state), { method: "POST", body: latent })).blob(),
  kept: { token: secret },
};
