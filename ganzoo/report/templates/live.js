// A page that is served asks for news; what the reader moved or opened stays as it is.
let tag = "";
const parts = () => ["header", "main"].map((name) => document.querySelector(name));
async function refresh() {
  try {
    const answer = await fetch(location.pathname, { headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status === 200) {
      const isFirst = tag === "";
      tag = answer.headers.get("ETag") || "none";
      if (!isFirst) adopt(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } catch { /* the server has gone; the page stays as it is */ }
  setTimeout(refresh, 2000);
}
function adopt(news) {
  const controls = () => [...document.querySelectorAll("input, select, summary")];
  const focused = controls().indexOf(document.activeElement);
  const open = [...document.querySelectorAll("details")].map((each) => each.open);
  const before = document.querySelector("input[type=range]");
  const step = before && before.value !== before.max ? before.dataset.steps.split(" ")[before.value] : "";
  for (const part of parts()) part.replaceWith(news.querySelector(part.localName));
  document.querySelectorAll("details").forEach((each, n) => { each.open = Boolean(open[n]); });
  const after = document.querySelector("input[type=range]");
  if (after && step) after.value = Math.max(0, after.dataset.steps.split(" ").indexOf(step));
  document.querySelectorAll("[data-board]").forEach(wire);
  if (focused >= 0) controls()[focused]?.focus();
}
refresh();
