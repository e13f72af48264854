// The page: golden images, a picture or the camera, latency. Names are text, never markup.

import { Model, get } from "./model.js";
import { pixelsOf } from "./images.js";

const at = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

let model, stream = null;

// A canvas that shows pixels of height x width x channels.
function show(canvas, pixels) {
  const [height, width, channels] = model.takes.image, colours = Math.min(channels, 3);
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  for (let place = 0; place < width * height; place++) {
    for (let c = 0; c < 3; c++) image.data[place * 4 + c] = pixels[place * colours + (colours === 1 ? 0 : c)];
    image.data[place * 4 + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function element(kind, text, name) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

const shareText = (share) => `${(share * 100).toFixed(1)}%`;

// One picture through the model, with its answer on the page.
async function answer(source) {
  const pixels = pixelsOf(source, model.takes);
  const started = performance.now();
  const stored = await model.run(pixels);
  const took = performance.now() - started;
  show(at("seen"), pixels);
  const rows = model.describe(model.reals(stored)).map(({ name, share, text }) => {
    const row = element("li");
    row.append(element("span", name), element("b", text ?? shareText(share)));
    if (share !== undefined) {
      const bar = element("meter");
      bar.value = share;
      row.append(bar);
    }
    return row;
  });
  at("answer").replaceChildren(...(rows.length ? rows : [element("li", "nothing")]));
  at("took").textContent = `${number(took)} ms for this picture`;
  at("result").hidden = false;
}

async function answerFile(file) {
  if (!file) return;
  stopCamera();
  try {
    // Colours as they are stored: the model was measured with them.
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
    await answer(bitmap);
    bitmap.close();
  } catch (error) {
    at("took").textContent = `This picture cannot be shown: ${error.message}`;
    at("result").hidden = false;
  }
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  at("camera").setAttribute("aria-pressed", "false");
}

async function toggleCamera() {
  if (stream) return stopCamera();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    at("took").textContent = `There is no camera: ${error.message}`;
    at("result").hidden = false;
    return;
  }
  at("camera").setAttribute("aria-pressed", "true");
  const video = document.createElement("video");
  [video.muted, video.playsInline, video.srcObject] = [true, true, stream];
  await video.play();
  while (stream) {
    await answer(video);
    await new Promise(requestAnimationFrame);
  }
}

// Each golden image through the model, beside the answer that was measured when it was deployed.
async function checkGolden() {
  let [same, equal, count] = [0, 0, 0];
  for (; count < model.card.golden; count++) {
    const name = `golden/${String(count).padStart(2, "0")}`;
    const bitmap = await createImageBitmap(await get(`${name}.png`, "blob"), { colorSpaceConversion: "none" });
    const pixels = pixelsOf(bitmap, model.takes);
    const golden = await Promise.all(model.gives.map(async (_, place) =>
      model.stored(await get(`${name}.output${place}.bin`, "arrayBuffer"), place)));
    const stored = await model.run(pixels);
    const isSame = model.isSame(stored, golden);
    same += isSame;
    equal += stored.every((mine, place) => mine.every((value, n) => value === golden[place][n]));
    const item = element("li"), canvas = element("canvas"), [first] = model.describe(model.reals(stored));
    show(canvas, pixels);
    const text = first === undefined ? "nothing" : first.share === undefined ? first.text : first.name;
    item.append(canvas, element("span", `${isSame ? "✓" : "✗"} ${text}`, isSame ? "same" : "other"));
    item.title = first === undefined ? "nothing" : `${first.name}: ${first.text ?? shareText(first.share)}`;
    at("golden").append(item);
  }
  const summary = at("golden-summary");
  summary.textContent = `${same} of ${count} answers are those that were measured, ${equal} of them to the last bit.`;
  summary.className = same === count ? "same" : "other";
}

async function measure() {
  at("measure").disabled = true;
  at("latency").textContent = "Measuring …";
  const [height, width, channels] = model.takes.image;
  const times = (await model.time(new Uint8Array(height * width * channels), 10, 10)).sort();
  const [middle, slow] = [0.5, 0.95].map((part) => number(Number(times[Math.floor(times.length * part)]) / 1e6));
  at("latency").textContent = `${middle} ms an image (median of ${times.length}; 95% take at most ${slow} ms), on one thread.`;
  at("measure").disabled = false;
}

function listen() {
  const drop = at("drop");
  const over = (is) => (event) => { event.preventDefault(); drop.classList.toggle("over", is); };
  drop.addEventListener("dragover", over(true));
  drop.addEventListener("dragleave", over(false));
  drop.addEventListener("drop", (event) => { over(false)(event); answerFile(event.dataTransfer.files[0]); });
  addEventListener("paste", (event) => answerFile(event.clipboardData.files[0]));
  at("choose").addEventListener("change", (event) => answerFile(event.target.files[0]));
  at("camera").addEventListener("click", toggleCamera);
  at("measure").addEventListener("click", measure);
}

async function main() {
  model = await Model.open();
  const { card } = model, [height, width] = model.takes.image;
  document.title = at("title").textContent = card.title;
  at("about").textContent = `${card.bytes.toLocaleString("en")} bytes for ${card.task.task}, images of `
    + `${height}x${width}, run in this browser by ${card.runtime_title}.`;
  await checkGolden();
  await measure();
  listen();
}

main().catch((error) => {
  at("about").textContent = location.protocol === "file:"
    ? "A browser does not run this page from a file: start serve.py in its folder, and open the address that it prints."
    : `The model does not run in this browser: ${error.message ?? error}`;
  at("about").className = "other";
});
