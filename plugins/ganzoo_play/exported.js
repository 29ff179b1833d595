"use strict";
// Everything is in the page: the network runs here.
function bytesOf(id) {
  const element = document.getElementById(id);
  const text = atob(element.textContent);
  element.remove();
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
async function unzipped(id) {
  const stream = new Blob([bytesOf(id)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
const source = {
  async facts() {
    this.about = JSON.parse(document.getElementById("facts").textContent);
    this.starts = new Float32Array(bytesOf("starts").buffer);
    if (typeof DecompressionStream === "undefined" || typeof WebAssembly === "undefined") {
      throw new Error("this page needs a browser of 2023 or later");
    }
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = await unzipped("wasm");
    this.session = await ort.InferenceSession.create(await unzipped("network"), { executionProviders: ["wasm"] });
    ort.env.wasm.wasmBinary = undefined;
    return this.about;
  },
  async start(seed) {
    const size = this.about.size;
    return this.starts.slice(seed * size, (seed + 1) * size);
  },
  // [1, C, H, W] in the network's own range, as numbers.
  async images(latent, state) {
    const given = { latent: new ort.Tensor("float32", latent, [1, latent.length]) };
    if (state.label !== null) given.labels = new ort.Tensor("int64", BigInt64Array.of(BigInt(state.label)), [1]);
    return (await this.session.run(given)).images.data;
  },
  async picture(latent, state) {
    const { width, height, channels, range: [low, high] } = this.about;
    const values = await this.images(latent, state);
    const picture = new ImageData(width, height);
    const count = width * height;
    for (let at = 0; at < count; at++) {
      for (let color = 0; color < 3; color++) {
        const value = values[(channels === 1 ? 0 : color) * count + at];
        picture.data[4 * at + color] = Math.round(255 * (value - low) / (high - low)); // clamped by the array
      }
      picture.data[4 * at + 3] = 255;
    }
    return createImageBitmap(picture);
  },
  async file(latent, state) {
    const canvas = document.createElement("canvas");
    draw(canvas, await this.picture(latent, state));
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  },
  kept: {},
};
