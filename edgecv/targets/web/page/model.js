// The model of this folder: pixels in, outputs out, by LiteRT.js or ONNX Runtime Web.

const HERE = new URL("./", import.meta.url);
const TYPES = {
  float32: Float32Array, uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array,
  int16: Int16Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array,
};
const SHOWN = 5, NEAR = 0.02, SAME_PIXELS = 0.95;

export async function get(name, kind) {
  const response = await fetch(new URL(name, HERE));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return response[kind]();
}

export class Model {
  static async open() {
    const model = new Model();
    const [card, labels] = await Promise.all([get("model.json", "json"), get("labels.txt", "text")]);
    model.card = card;
    model.labels = labels.split("\n").slice(0, -1);
    [model.takes] = card.inputs;
    model.gives = card.outputs;
    const start = { litert: startLiteRt, onnxruntime: startOnnxRuntime }[card.runtime];
    Object.assign(model, await start(card));
    return model;
  }

  // Pixels of one image, height x width x channels of 0..255, as the values of the input.
  encode(pixels) {
    const { axes, channel_order: order, values, type, image: [height, width, channels] } = this.takes;
    const lengths = { H: height, W: width, C: order.length };
    const strides = {};
    let size = 1;
    for (const axis of [...axes].reverse()) {
      strides[axis] = size;
      size *= lengths[axis] ?? 1;
    }
    const found = new TYPES[type](size);
    for (let c = 0; c < order.length; c++) {
      const table = values[c];
      for (let y = 0, from = order[c]; y < height; y++) {
        let to = y * strides.H + c * (strides.C ?? 0);
        for (let x = 0; x < width; x++, from += channels, to += strides.W) {
          found[to] = table[pixels[from]];
        }
      }
    }
    return found;
  }

  // The outputs for one image, as the file stores them.
  async run(pixels) {
    return this.answers(this.encode(pixels));
  }

  // Times of runs in nanoseconds. A clock of a browser is coarse: each is the mean of several runs.
  async time(pixels, blocks, runs, atLeastMs = 1, budgetMs = 30000) {
    const once = this.prepared(this.encode(pixels));
    const took = async (count) => {
      const started = performance.now();
      for (let n = 0; n < count; n++) await once.run();
      return performance.now() - started;
    };
    // A slow model has fewer runs: all blocks together take about budgetMs.
    const few = Math.floor(budgetMs / blocks / await took(1));
    let count = 1;
    for (await took(Math.min(9, few)); count < 65536 && (await took(count)) < atLeastMs;) count *= 2;
    const found = new BigInt64Array(blocks * Math.max(1, Math.min(runs, few)));
    for (let n = 0; n < found.length; n++) {
      found[n] = BigInt(Math.max(1, Math.round((await took(count)) * 1e6 / count)));
    }
    once.end();
    return found;
  }

  // The outputs as the numbers that they stand for.
  reals(stored) {
    return stored.map((values, place) => {
      const { scale, zero_point: zero } = this.gives[place];
      return Float32Array.from(values, (each) => scale === null ? Number(each) : (each - (zero ?? 0)) * scale);
    });
  }

  // Probabilities of the first output; an output of one number is that of the second of two classes.
  probabilities(reals) {
    const { activation, answer } = this.gives[0];
    const classes = answer.at(-1);
    let found = Float64Array.from(reals);
    if (activation === "Sigmoid") found = found.map((each) => 1 / (1 + Math.exp(-each)));
    for (let start = 0; activation === "Softmax" && start < found.length; start += classes) {
      const some = found.subarray(start, start + classes);
      const most = Math.max(...some);
      let sum = 0;
      for (let n = 0; n < classes; n++) sum += some[n] = Math.exp(some[n] - most);
      for (let n = 0; n < classes; n++) some[n] /= sum;
    }
    if (classes > 1 || this.card.task.task === "multilabel") return found;
    return Float64Array.from({ length: 2 * found.length }, (_, n) => n % 2 ? found[n >> 1] : 1 - found[n >> 1]);
  }

  // What an output of a known meaning chooses: the class of an image or pixel, or its labels.
  choices(reals) {
    const found = this.probabilities(reals);
    if (this.card.task.task === "multilabel") {
      const threshold = this.card.task.threshold ?? 0.5;
      return Array.from(found, (each) => each >= threshold);
    }
    const { pixel_classes: form, answer } = this.gives[0];
    if (form === "numbers") return Array.from(reals, Math.round);
    if (form === "logit" || form === "probability") {
      return Array.from(reals, (each) => Number(each >= (form === "logit" ? 0 : 0.5)));
    }
    const classes = form === "scores first" ? answer.at(-3) : Math.max(2, answer.at(-1));
    // The scores of one pixel lie side by side, or as far apart as there are pixels.
    const pixels = found.length / classes;
    const score = (place, n) => found[form === "scores first" ? n * pixels + place : place * classes + n];
    return Array.from({ length: pixels }, (_, place) => {
      let best = 0;
      for (let n = 1; n < classes; n++) if (score(place, n) > score(place, best)) best = n;
      return best;
    });
  }

  // The answer for one image, as rows of a name, and a fraction or a text.
  describe(reals) {
    const [first] = reals, name = (place) => this.labels[place] ?? String(place);
    const kind = this.card.task.task;
    if (kind === "classification" || kind === "multilabel") {
      const rows = Array.from(this.probabilities(first), (share, place) => ({ name: name(place), share }));
      if (kind === "classification") return rows.sort((a, b) => b.share - a.share).slice(0, SHOWN);
      const chosen = this.choices(first);
      return rows.filter((_, place) => chosen[place]);
    }
    if (kind === "segmentation") {
      const chosen = this.choices(first), pixels = new Map();
      for (const each of chosen) pixels.set(each, (pixels.get(each) ?? 0) + 1);
      return [...pixels].sort((a, b) => b[1] - a[1])
        .map(([place, count]) => ({ name: name(place), share: count / chosen.length }));
    }
    if (kind === "regression") {
      return Array.from(first, (each, place) => ({ name: name(place), text: each.toPrecision(4) }));
    }
    return reals.map((each, place) => {
      let [low, high] = [Infinity, -Infinity];
      for (const value of each) [low, high] = [Math.min(low, value), Math.max(high, value)];
      const { name: title, answer } = this.gives[place];
      return { name: `${title} [${answer}]`, text: `${low.toPrecision(4)} to ${high.toPrecision(4)}` };
    });
  }

  // Whether outputs of one image are the golden answer.
  isSame(stored, golden) {
    const found = this.reals(stored), wanted = this.reals(golden), kind = this.card.task.task;
    if (["classification", "multilabel", "segmentation"].includes(kind)) {
      const mine = this.choices(found[0]), true_ = this.choices(wanted[0]);
      const same = mine.filter((each, place) => each === true_[place]).length / mine.length;
      return same >= (kind === "segmentation" ? SAME_PIXELS : 1);
    }
    return found.every((mine, place) => {
      const true_ = wanted[place];
      let [low, high, far] = [Infinity, -Infinity, 0];
      true_.forEach((value, n) => {
        [low, high] = [Math.min(low, value), Math.max(high, value)];
        far = Math.max(far, Math.abs(value - mine[n]));
      });
      return far <= Math.max(NEAR * (high - low), 1.5 * (this.gives[place].scale ?? 0), 1e-6);
    });
  }

  // The stored values in bytes that came from a file.
  stored(bytes, place) {
    return new TYPES[this.gives[place].type](bytes);
  }
}

async function startLiteRt(card) {
  const { loadLiteRt, loadAndCompile, Tensor } = await import("./runtime/index.js");
  await loadLiteRt(new URL("runtime/", HERE).href);
  const options = { accelerator: "wasm", cpuOptions: { numThreads: 1 } };
  const model = await loadAndCompile(new URL(card.file, HERE).href, options);
  const prepared = (values) => {
    const taken = new Tensor(values, card.inputs[0].shape);
    return {
      run: async () => { for (const each of await model.run([taken])) each.delete(); },
      end: () => taken.delete(),
    };
  };
  const answers = async (values) => {
    const taken = new Tensor(values, card.inputs[0].shape);
    const given = await model.run([taken]);
    const found = given.map((each) => each.toTypedArray());
    for (const each of [taken, ...given]) each.delete();
    return found;
  };
  return { prepared, answers };
}

async function startOnnxRuntime(card) {
  const ort = await import("./runtime/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("runtime/", HERE).href;
  const session = await ort.InferenceSession.create(new URL(card.file, HERE).href, {
    executionProviders: ["wasm"],
  });
  const [{ name, type, shape }] = card.inputs;
  const fed = (values) => ({ [name]: new ort.Tensor(type, values, shape) });
  const prepared = (values) => {
    const feeds = fed(values);
    return { run: () => session.run(feeds), end: () => {} };
  };
  const answers = async (values) => {
    const given = await session.run(fed(values));
    return card.outputs.map((each) => given[each.name].data);
  };
  return { prepared, answers };
}
