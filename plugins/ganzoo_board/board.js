"use strict";
const MOST_COMPARED = 8;
const POLL_MS = 2000;
const at = (id) => document.getElementById(id);
const tiles = new Map();       // key of a run -> its tile, and the row it was made of
let known = { runs: [], ablations: [], folder: "", left_out: 0 };
let picked = [];               // keys of the runs whose curves are drawn, in the order of colours
let tag = "", drawn = "";

// What is shown is kept in the address, so that a page that is loaded anew shows the same.
function remember() {
  const state = new URLSearchParams();
  const values = { q: at("find").value, status: at("status").value, order: at("order").value, runs: picked.join(".") };
  for (const [name, value] of Object.entries(values)) if (value) state.set(name, value);
  history.replaceState(null, "", "#" + state);
}
function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  at("find").value = state.get("q") || "";
  for (const [id, name] of [["status", "status"], ["order", "order"]]) {
    const value = state.get(name);
    if (value) { offer(at(id), value, value); at(id).value = value; }
  }
  picked = (state.get("runs") || "").split(".").filter(Boolean).slice(0, MOST_COMPARED);
}

function make(name, className, text) {
  const found = document.createElement(name);
  if (className) found.className = className;
  if (text !== undefined) found.textContent = text;
  return found;
}
function offer(select, value, text) {
  const there = [...select.options].find((each) => each.value === value);
  if (there) { if (there.textContent !== text) there.textContent = text; return; }
  const option = make("option", "", text);
  option.value = value;
  select.append(option);
}
function figure(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toFixed(3);
}
const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

function fill(tile, row) {
  const link = make("a");
  link.href = "/run/" + row.key;
  link.dataset.key = row.key;
  const view = make("div", "view");
  if (row.thumbnail) {
    const image = make("img");
    image.alt = "newest samples";
    image.loading = "lazy";
    image.decoding = "async";
    image.addEventListener("error", () => { view.textContent = "no picture"; });
    image.src = `/thumbnail/${row.key}?v=${row.thumbnail}`;
    view.append(image);
  } else view.textContent = "no picture yet";
  const text = make("div", "text");
  const name = row.ablation && row.variant !== null ? `${row.variant}, seed ${row.seed}` : row.title;
  text.append(make("div", "title", name));
  const line = make("div", "line");
  const known = ["done", "running", "interrupted", "failed", "killed", "unreadable"];
  const state = known.includes(row.status) ? row.status : "";
  line.append(make("span", "state " + state, row.status), ` · ${row.id}`);
  text.append(line);
  const steps = row.steps === null ? row.step.toLocaleString("en") : `${row.step.toLocaleString("en")} of ${row.steps.toLocaleString("en")}`;
  const when = row.time.slice(5, 16).replace("T", " ");
  text.append(make("div", "line", `step ${steps}${when ? " · " + when : ""}`));
  if (row.status === "running" && row.steps) {
    const bar = make("progress");
    bar.max = row.steps;
    bar.value = Math.min(row.step, row.steps);
    bar.setAttribute("aria-label", "steps made");
    text.append(bar);
  }
  const figures = make("ul", "figures");
  const told = Object.entries(row.scores).slice(0, 3).map(([score, value]) => [score, value.best ?? value.last]);
  if (!told.length && row.losses.discriminator !== null) told.push(["loss d", row.losses.discriminator]);
  if (told[0]?.[0] === "loss d" || (!told.length && row.losses.generator !== null)) told.push(["loss g", row.losses.generator]);
  for (const [score, value] of told) {
    const item = make("li");
    item.append(make("span", "", score), make("span", "", figure(value)));
    figures.append(item);
  }
  text.append(figures);
  for (const one of row.tags) text.append(make("span", "tag", one));
  if (row.note) text.append(make("div", "line note", row.note));
  if (row.reason && row.status !== "done") text.append(make("div", "line note", row.reason));
  link.append(view, text);
  const pick = make("label", "pick");
  const box = make("input");
  box.type = "checkbox";
  box.setAttribute("aria-label", `draw the curves of ${row.id}`);
  box.addEventListener("change", () => choose(row.key, box.checked));
  pick.append(box);
  tile.replaceChildren(link, pick);
}

function tileOf(row) {
  const text = JSON.stringify(row);
  let found = tiles.get(row.key);
  if (!found) { found = { tile: make("li", "tile"), text: "" }; tiles.set(row.key, found); }
  if (found.text !== text) {
    const hadFocus = found.tile.contains(document.activeElement);
    fill(found.tile, row);
    found.text = text;
    if (hadFocus) found.tile.querySelector("a").focus({ preventScroll: true });
  }
  const isPicked = picked.includes(row.key);
  found.tile.classList.toggle("picked", isPicked);
  found.tile.querySelector("input").checked = isPicked;
  return found.tile;
}

function wanted(row) {
  const status = at("status").value;
  if (status && row.status !== status) return false;
  const said = [row.title, row.recipe, row.id, row.note, row.status, ...row.tags].join(" ").toLowerCase();
  return at("find").value.toLowerCase().split(/\s+/).every((word) => said.includes(word));
}
function ranked(rows, score) {
  const value = (row) => row.scores[score].best ?? row.scores[score].last;
  const having = rows.filter((row) => Object.hasOwn(row.scores, score) && value(row) !== null);
  const isLower = having.every((row) => row.scores[score].lower_is_better !== false);
  return having.sort((a, b) => (isLower ? 1 : -1) * (value(a) - value(b)));
}

// Runs by themselves stand together, an ablation's cells in a frame where its newest one would be.
function groups(rows, byScore) {
  const found = [], frames = new Map();
  for (const row of rows) {
    const key = byScore ? null : row.ablation;
    if (key && frames.has(key)) { frames.get(key).rows.push(row); continue; }
    if (!key && found.length && !found.at(-1).ablation) { found.at(-1).rows.push(row); continue; }
    const group = { ablation: key && known.ablations.find((each) => each.key === key), rows: [row] };
    if (key) frames.set(key, group);
    found.push(group);
  }
  return found;
}

function draw() {
  const order = at("order").value;
  const rows = known.runs.filter(wanted);
  const shown = order ? ranked(rows, order) : rows;
  const keys = new Set(known.runs.map((row) => row.key));
  for (const key of tiles.keys()) if (!keys.has(key)) tiles.delete(key);
  const focused = document.activeElement?.dataset?.key;
  const parts = groups(shown, Boolean(order)).map((group) => {
    const list = make("ul", "tiles");
    list.append(...group.rows.map(tileOf));
    if (!group.ablation) return list;
    const frame = make("section", "group");
    const done = group.rows.filter((row) => row.status === "done").length;
    frame.append(
      make("h2", "", group.ablation.name),
      make("p", "kicker", `ablation · ${done} of ${count(group.ablation.cells, "cell")} done`),
    );
    if (group.ablation.question) frame.append(make("p", "kicker", group.ablation.question));
    frame.append(list);
    return frame;
  });
  at("list").replaceChildren(...parts);
  if (focused) tiles.get(focused)?.tile.querySelector("a")?.focus({ preventScroll: true });
  const running = known.runs.filter((row) => row.status === "running").length;
  const more = known.left_out ? `, ${known.left_out.toLocaleString("en")} older ones left out` : "";
  const some = shown.length === known.runs.length ? "" : `${shown.length.toLocaleString("en")} of `;
  at("counts").textContent = `${some}${count(known.runs.length, "run")}${running ? `, ${running} running` : ""}${more}`;
  at("folder").textContent = known.folder;
  at("nothing").hidden = shown.length > 0;
  at("nothing").textContent = known.runs.length ? "No run matches." : "No runs here yet: ganzoo run dcgan_digits trains one.";
  legend();
}

function offerChoices() {
  for (const status of [...new Set(known.runs.map((row) => row.status))].sort()) offer(at("status"), status, status);
  for (const score of [...new Set(known.runs.flatMap((row) => Object.keys(row.scores)))].sort()) offer(at("order"), score, `best ${score} first`);
}

function choose(key, isPicked) {
  picked = picked.filter((each) => each !== key);
  if (isPicked && picked.length < MOST_COMPARED) picked.push(key);
  const found = tiles.get(key);
  if (found) {
    found.tile.classList.toggle("picked", picked.includes(key));
    found.tile.querySelector("input").checked = picked.includes(key);
  }
  legend();
  remember();
  curves();
}
function legend() {
  const named = picked.map((key) => known.runs.find((row) => row.key === key)).filter(Boolean);
  at("beside").hidden = picked.length === 0;
  at("chosen").replaceChildren(...named.map((row, number) => {
    const item = make("li");
    item.append(make("span", `key b${number}`), `${row.title} ${row.id}`);
    return item;
  }));
}
async function curves() {
  const there = picked.filter((key) => known.runs.some((row) => row.key === key));
  const state = JSON.stringify(there.map((key) => tiles.get(key)?.text));
  if (state === drawn) return;
  drawn = state;
  if (!there.length) { at("charts").replaceChildren(); return; }
  const answer = await fetch("/charts?runs=" + there.join("."));
  if (!answer.ok || state !== drawn) return;
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  const parts = [...found.body.children];
  if (!found.querySelector("svg")) parts.push(make("p", "kicker", "Nothing is logged yet."));
  const isOpen = at("charts").querySelector("details")?.open;
  at("charts").replaceChildren(...parts);
  const more = at("charts").querySelector("details");
  if (more && isOpen) more.open = true;
}

// Keys
function step(by) {
  const links = [...document.querySelectorAll(".tile a")];
  const here = links.indexOf(document.activeElement);
  const next = links[here < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(here + by, 0), links.length - 1)];
  if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
}
function columns() {
  const list = document.activeElement?.closest?.(".tiles");
  return list ? getComputedStyle(list).gridTemplateColumns.split(" ").length : 1;
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input[type=search], select");
  if (event.key === "Escape") {
    if (isTyping) event.target.blur();
    else { picked = []; remember(); draw(); curves(); }
    return;
  }
  if (isTyping) return;
  const moves = { j: 1, k: -1, ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
  const isTile = Boolean(event.target.closest?.(".tile"));
  if (event.key in moves && (isTile || event.key === "j" || event.key === "k")) step(moves[event.key]);
  else if (event.key === "/") at("find").focus();
  else if (event.key === "x" && isTile) {
    const key = event.target.closest(".tile").querySelector("a").dataset.key;
    choose(key, !picked.includes(key));
  } else return;
  event.preventDefault();
});
for (const id of ["find", "status", "order"]) at(id).addEventListener("input", () => { remember(); draw(); });
at("clear").addEventListener("click", () => { picked = []; remember(); draw(); curves(); });

async function refresh() {
  try {
    const answer = await fetch("/runs.json", { headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag") || "";
      known = await answer.json();
      offerChoices();
      draw();
      await curves();
    }
  } catch {
    at("counts").textContent = "the board was closed; this page no longer updates";
  }
  setTimeout(refresh, POLL_MS);
}
recall();
refresh();
