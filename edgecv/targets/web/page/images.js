// Pictures of any size as pixels that the model takes, as Pillow makes them: bilinear, with the same
// rounding. So a page sees what the tools saw that trained and measured the model.

const PRECISION = 22, ONE = 2 ** PRECISION;
const canvas = document.createElement("canvas");
const paper = canvas.getContext("2d", { willReadFrequently: true });

// A bitmap or a video as pixels of height x width x channels, 0..255.
export function pixelsOf(source, { image: [height, width, channels], resize }) {
  const size = [source.videoWidth ?? source.width, source.videoHeight ?? source.height];
  [canvas.width, canvas.height] = size;
  paper.fillStyle = "white";
  paper.fillRect(0, 0, ...size);
  paper.drawImage(source, 0, 0);
  const { data } = paper.getImageData(0, 0, ...size);
  const taken = Math.min(channels, 3);
  const found = new Uint8Array(size[0] * size[1] * taken);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    if (taken === 1) {
      found[to++] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
    } else {
      for (let c = 0; c < 3; c++) found[to++] = data[from + c];
    }
  }
  const fit = { stretch: stretched, crop: cropped, pad: padded }[resize];
  return fit(found, size, [width, height], taken);
}

const stretched = (pixels, size, wanted, channels) =>
  resized(pixels, size, [0, 0, ...size], wanted, channels);

function cropped(pixels, size, wanted, channels) {
  const ratio = wanted[0] / wanted[1], found = size[0] / size[1], inside = [...size];
  if (found > ratio) inside[0] = ratio * size[1];
  else if (found < ratio) inside[1] = size[0] / ratio;
  const start = size.map((side, axis) => (side - inside[axis]) * 0.5);
  const box = [...start, ...start.map((side, axis) => side + inside[axis])];
  return resized(pixels, size, box, wanted, channels);
}

function padded(pixels, size, wanted, channels) {
  const ratio = wanted[0] / wanted[1], found = size[0] / size[1], inside = [...wanted];
  if (found > ratio) inside[1] = roundedToEven(size[1] / size[0] * wanted[0]);
  else if (found < ratio) inside[0] = roundedToEven(size[0] / size[1] * wanted[1]);
  const some = stretched(pixels, size, inside, channels);
  const whole = new Uint8Array(wanted[0] * wanted[1] * channels);
  const [left, top] = wanted.map((side, axis) => roundedToEven((side - inside[axis]) * 0.5));
  for (let y = 0; y < inside[1]; y++) {
    const row = some.subarray(y * inside[0] * channels, (y + 1) * inside[0] * channels);
    whole.set(row, ((y + top) * wanted[0] + left) * channels);
  }
  return whole;
}

function roundedToEven(value) {
  const found = Math.round(value);
  return found - value === 0.5 && found % 2 ? found - 1 : found;
}

// The part of a picture in a box (left, top, right, bottom), in another size. Down is first where it
// shrinks more than twice as many pixels, as in Pillow 13.
function resized(pixels, size, [left, top, right, bottom], wanted, channels) {
  const [width, height] = size;
  const isDownFirst = height > wanted[1] && height - wanted[1] > 2 * (width - wanted[0]);
  const down = (some, row) => along(some, 1, height, row * channels, top, bottom, wanted[1]);
  const across = (some, rows) => along(some, rows, width, channels, left, right, wanted[0]);
  return isDownFirst ? across(down(pixels, width), wanted[1]) : down(across(pixels, height), wanted[0]);
}

// Resamples the middle axis of an array of (outer, length, inner).
function along(pixels, outer, length, inner, start, end, wanted) {
  if (start === 0 && end === length && wanted === length) return pixels;
  const scale = (end - start) / wanted, support = Math.max(scale, 1);
  const found = new Uint8Array(outer * wanted * inner);
  for (let n = 0; n < wanted; n++) {
    const center = start + (n + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(length, Math.trunc(center + support + 0.5));
    const weights = [];
    for (let at = first; at < last; at++) {
      weights.push(Math.max(0, 1 - Math.abs((at - center + 0.5) * (1 / support))));
    }
    const sum = weights.reduce((one, other) => one + other);
    const steps = weights.map((each) => Math.trunc(0.5 + each / sum * ONE));
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let value = ONE / 2;
        steps.forEach((each, at) => { value += each * pixels[(o * length + first + at) * inner + i]; });
        found[(o * wanted + n) * inner + i] = Math.min(255, Math.floor(value / ONE));
      }
    }
  }
  return found;
}
