const MOST_MOVE = 3;           // standard deviations to each side
const MOST_CHIPS = 16;         // classes that have a button each
const MOST_PINS = 24;
const at = (id) => document.getElementById(id);
let facts, directions = [];
let state = { seed: 0, label: null, codes: [], truncation: null, moves: [] };
let begin = null, beginSeed = -1;    // latent of the seed
let isBusy = false, isStale = false;
let latest = null;             // what the picture shows: its latent and state
let pins = [], compared = null;

function make(name, className, text) {
  const found = document.createElement(name);
  if (className) found.className = className;
  if (text !== undefined) found.textContent = text;
  return found;
}
function draw(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
}
function floats(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let n = 0; n < raw.length; n++) bytes[n] = raw.charCodeAt(n);
  return new Float32Array(bytes.buffer);
}
const copied = (one) => ({ ...one, codes: [...one.codes], moves: [...one.moves] });
const limited = (value, most) => Math.max(-most, Math.min(most, value));

// Latents

function within(latent) {
  if (facts.prior === "uniform") return latent.map((value) => limited(value, 1));
  if (facts.prior === "truncated") return latent.map((value) => limited(value, facts.bound));
  const root = Math.sqrt(latent.length);
  const length = Math.hypot(...latent);
  if (facts.prior === "sphere") return latent.map((value) => value * root / Math.max(length, 1e-12));
  const most = root + 3.1 * Math.SQRT1_2;
  return length > most ? latent.map((value) => value * most / length) : latent;
}
// The latent of a state: the seed's, moved along the directions, kept where the prior has its own.
function latentOf(start, { moves, codes }) {
  let found = Array.from(start);
  moves.forEach((move, n) => {
    if (move) directions[n].forEach((step, number) => { found[number] += move * step; });
  });
  found = within(found);
  let first = 0;
  facts.codes.forEach((count, n) => {
    // A code's value is the largest of its numbers: it changes places with the one that is wanted.
    if (codes[n] !== null && codes[n] !== undefined) {
      const part = found.slice(first, first + count);
      const top = part.indexOf(Math.max(...part));
      [found[first + top], found[first + codes[n]]] = [found[first + codes[n]], found[first + top]];
    }
    first += count;
  });
  return Float32Array.from(found);
}
// A file that 'ganzoo sample --latent' reads: safetensors with the latent and its class.
function latentFile(latent, shown) {
  const header = { __metadata__: { ganzoo: "latents", seed: String(shown.seed), moves: shown.moves.join(" ") } };
  let size = 0;
  const data = [];
  if (shown.label !== null) {
    header.labels = { dtype: "I64", shape: [1], data_offsets: [0, 8] };
    data.push(BigInt64Array.of(BigInt(shown.label)));
    size = 8;
  }
  header.latents = { dtype: "F32", shape: [1, latent.length], data_offsets: [size, size + 4 * latent.length] };
  data.push(latent);
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(32);
  padded.set(text);
  return new Blob([BigUint64Array.of(BigInt(padded.length)), padded, ...data]);
}

// Drawing: one picture at a time, always of the newest state.

async function refresh() {
  isStale = true;
  if (isBusy) return;
  isBusy = true;
  while (isStale) {
    isStale = false;
    const wanted = copied(state);
    try {
      if (wanted.seed !== beginSeed) { begin = await source.start(wanted.seed); beginSeed = wanted.seed; }
      const latent = latentOf(begin, wanted);
      const before = performance.now();
      const image = await source.picture(latent, wanted);
      draw(at("picture"), image);
      latest = { latent, state: wanted };
      const took = performance.now() - before;
      at("took").textContent = `${took.toFixed(0)} ms`;
      at("picture").dataset.took = took.toFixed(2);
      at("picture").dataset.made = Number(at("picture").dataset.made || 0) + 1;
      tell("");
    } catch (error) { tell(error.message); }
  }
  isBusy = false;
}
function tell(problem) {
  at("problem").textContent = problem;
  at("problem").hidden = !problem;
}
function changed() {
  show();
  remember();
  refresh();
}
function show() {
  at("seed").value = state.seed;
  state.moves.forEach((move, n) => {
    at(`move-${n}`).value = move;
    at(`told-${n}`).textContent = move.toFixed(2);
  });
  const [x, y] = [at("across"), at("up")].map((axis) => state.moves[axis.value] ?? 0);
  at("dot").style.left = `${50 + 50 * x / MOST_MOVE}%`;
  at("dot").style.top = `${50 - 50 * y / MOST_MOVE}%`;
  for (const each of document.querySelectorAll("input[name=class]")) each.checked = Number(each.value) === state.label;
  if (state.label !== null) at("class-list").value = state.label;
  facts.codes.forEach((_, n) => { at(`code-${n}`).value = state.codes[n] ?? ""; });
  if (facts.truncation !== null) {
    const value = state.truncation ?? facts.truncation;
    at("truncation").value = value;
    at("truncation-told").textContent = Number(value).toFixed(2);
  }
}

// What is shown is kept in the address, so that a page that is loaded anew shows the same.
function remember() {
  const kept = new URLSearchParams(source.kept);
  kept.set("seed", state.seed);
  if (state.label !== null) kept.set("class", state.label);
  if (state.codes.some((code) => code !== null)) kept.set("codes", state.codes.map((code) => code ?? "").join("_"));
  if (state.truncation !== null) kept.set("truncation", state.truncation);
  if (state.moves.some(Boolean)) kept.set("moves", state.moves.join("_"));
  history.replaceState(null, "", "#" + kept);
}
function whole(text, most) {
  const value = Number(text);
  return text !== null && text !== "" && Number.isInteger(value) && value >= 0 && value <= most ? value : null;
}
function recall() {
  const kept = new URLSearchParams(location.hash.slice(1));
  state.seed = whole(kept.get("seed"), mostSeed()) ?? 0;
  if (facts.classes.length) state.label = whole(kept.get("class"), facts.classes.length - 1) ?? 0;
  const codes = (kept.get("codes") || "").split("_"), moves = (kept.get("moves") || "").split("_");
  state.codes = facts.codes.map((count, n) => whole(codes[n] ?? null, count - 1));
  state.moves = directions.map((_, n) => limited(Number(moves[n]) || 0, MOST_MOVE));
  const truncation = Number(kept.get("truncation") ?? NaN);
  if (facts.truncation !== null && truncation >= 0 && truncation <= 2) state.truncation = truncation;
}
const mostSeed = () => (facts.seeds ? facts.seeds - 1 : 2 ** 32 - 1);

// Controls

function buildClasses() {
  const names = facts.classes;
  at("classes").hidden = names.length === 0;
  const isLong = names.length > MOST_CHIPS;
  at("class-list").hidden = !isLong;
  at("class-chips").hidden = isLong;
  names.forEach((name, n) => {
    if (isLong) { at("class-list").append(new Option(name, n)); return; }
    const label = make("label"), radio = make("input");
    radio.type = "radio";
    radio.name = "class";
    radio.value = n;
    radio.addEventListener("change", () => { state.label = n; changed(); });
    label.append(radio, make("span", "", name));
    at("class-chips").append(label);
  });
  at("class-list").addEventListener("change", () => { state.label = Number(at("class-list").value); changed(); });
}
function buildCodes() {
  at("codes").hidden = facts.codes.length === 0;
  facts.codes.forEach((count, n) => {
    const label = make("label", "", `code ${n + 1} `), list = make("select");
    list.id = `code-${n}`;
    list.append(new Option("as drawn", ""));
    for (let value = 0; value < count; value++) list.append(new Option(value, value));
    list.addEventListener("change", () => { state.codes[n] = list.value === "" ? null : Number(list.value); changed(); });
    label.append(list);
    at("codes").append(label);
  });
}
function buildSliders() {
  directions.forEach((_, n) => {
    const row = make("div", "slider"), label = make("label", "", `${n + 1} `), slider = make("input"), told = make("output");
    label.append(make("small", "", `${(100 * facts.shares[n]).toFixed(facts.shares[n] < 0.1 ? 1 : 0)} %`));
    label.htmlFor = slider.id = `move-${n}`;
    told.id = `told-${n}`;
    Object.assign(slider, { type: "range", min: -MOST_MOVE, max: MOST_MOVE, step: 0.05 });
    slider.setAttribute("aria-label", `direction ${n + 1}`);
    slider.addEventListener("input", () => { state.moves[n] = Number(slider.value); changed(); });
    slider.addEventListener("dblclick", () => { state.moves[n] = 0; changed(); });
    row.append(label, slider, told);
    at("sliders").append(row);
    for (const axis of [at("across"), at("up")]) axis.append(new Option(`direction ${n + 1}`, n));
  });
  at("up").value = Math.min(1, directions.length - 1);
  for (const axis of [at("across"), at("up")]) axis.addEventListener("change", show);
  at("explained").textContent = facts.layer
    ? "The directions along which the generator's first layer varies most, each with its share. One unit is one standard deviation."
    : "The first numbers of the latent. One unit is one standard deviation.";
}
function walkTo(x, y) {
  const rounded = (value) => Math.round(limited(value, MOST_MOVE) * 100) / 100;
  state.moves[at("across").value] = rounded(x);
  if (at("up").value !== at("across").value) state.moves[at("up").value] = rounded(y);
  changed();
}
function buildPad() {
  const pad = at("pad");
  const follow = (event) => {
    const box = pad.getBoundingClientRect();
    walkTo((2 * (event.clientX - box.left) / box.width - 1) * MOST_MOVE, (1 - 2 * (event.clientY - box.top) / box.height) * MOST_MOVE);
  };
  pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); follow(event); });
  pad.addEventListener("pointermove", (event) => { if (pad.hasPointerCapture(event.pointerId)) follow(event); });
  pad.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] || [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    const step = event.shiftKey ? 0.5 : 0.1;
    walkTo((state.moves[at("across").value] ?? 0) + step * dx, (state.moves[at("up").value] ?? 0) + step * dy);
  });
}

// Pins

function pin() {
  if (!latest || pins.length === MOST_PINS) return;
  const canvas = make("canvas");
  draw(canvas, at("picture"));
  const one = { canvas, state: copied(latest.state) };
  pins.push(one);
  compared = one;
  showPins();
}
function showPins() {
  at("pinned").hidden = pins.length === 0;
  at("pins").replaceChildren(...pins.map((one, n) => {
    const item = make("li"), see = make("button", "see"), row = make("div"), back = make("button", "", "back"), away = make("button", "", "remove");
    for (const each of [see, back, away]) each.type = "button";
    see.append(one.canvas);
    see.setAttribute("aria-pressed", String(compared === one));
    see.setAttribute("aria-label", `compare with pin ${n + 1}, seed ${one.state.seed}`);
    see.title = "compare";
    see.addEventListener("click", () => { compared = compared === one ? null : one; showPins(); at("pins").children[n].querySelector("button").focus(); });
    back.setAttribute("aria-label", `go back to pin ${n + 1}`);
    back.addEventListener("click", () => { state = copied(one.state); changed(); });
    away.setAttribute("aria-label", `remove pin ${n + 1}`);
    away.addEventListener("click", () => {
      pins = pins.filter((each) => each !== one);
      if (compared === one) compared = null;
      showPins();
      (at("pins").querySelector("button") || at("pin")).focus();
    });
    row.append(back, away);
    item.append(see, row);
    return item;
  }));
  at("held").hidden = compared === null;
  if (compared) draw(at("held-picture"), compared.canvas);
}

// Files

function download(blob, name) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
function named(shown) {
  const moves = shown.moves.flatMap((move, n) => (move ? [`d${n + 1}_${move}`] : []));
  const label = shown.label === null ? [] : [`class${shown.label}`];
  return ["play", `seed${shown.seed}`, ...label, ...moves].join("-").replace(/[^A-Za-z0-9_.-]/g, "").slice(0, 100);
}
async function save(isLatent) {
  if (!latest) return;
  const { latent, state: shown } = latest, name = named(shown);
  try {
    if (isLatent) download(latentFile(latent, shown), name + ".safetensors");
    else download(await source.file(latent, shown), name + ".png");
  } catch (error) { tell(error.message); return; }
  const command = `ganzoo sample ${facts.name} --latent ${name}.safetensors` +
    (shown.truncation === null ? "" : ` --set generator.truncation=${shown.truncation}`);
  at("saved").replaceChildren(
    isLatent ? `Saved ${name}.safetensors. It makes the same picture: ` : `Saved ${name}.png. To make it again from its latent: `,
    make("code", "", command),
  );
  at("saved").hidden = false;
}

const acts = {
  random() { state.seed = Math.floor(Math.random() * (Math.min(mostSeed(), 999_999) + 1)); changed(); },
  center() { state.moves.fill(0); state.codes.fill(null); changed(); },
  pin,
  save: () => save(false),
  "save-latent": () => save(true),
};
const keys = { r: "random", 0: "center", p: "pin", s: "save", l: "save-latent" };

function buildRest() {
  for (const [id, act] of Object.entries(acts)) at(id).addEventListener("click", act);
  at("seed").max = mostSeed();
  at("seed").addEventListener("change", () => { state.seed = whole(at("seed").value, mostSeed()) ?? state.seed; changed(); });
  at("truncation-row").hidden = facts.truncation === null;
  at("truncation").addEventListener("input", () => { state.truncation = Number(at("truncation").value); changed(); });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input[type=number], select");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    acts[keys[event.key]]();
  });
}

async function setUp() {
  facts = await source.facts();
  const all = floats(facts.directions);
  directions = Array.from({ length: all.length / facts.size }, (_, n) => Array.from(all.slice(n * facts.size, (n + 1) * facts.size)));
  at("about").textContent = `${facts.name === facts.title ? "" : facts.name + " · "}step ${facts.step.toLocaleString("en")} · ${facts.width}×${facts.height}` +
    (facts.seeds ? ` · runs in this page, no server; seeds 0 to ${mostSeed()}` : "");
  at("title").textContent = facts.title;
  document.title = `${facts.title} · play`;
  document.body.classList.toggle("small", Math.max(facts.width, facts.height) <= 128);
  buildClasses();
  buildCodes();
  buildSliders();
  buildPad();
  buildRest();
  recall();
  at("play").hidden = false;
  show();
  remember();
  await refresh();
}
setUp().catch((error) => { at("about").textContent = error.message; at("about").classList.add("warn"); });
