// Runs the model of the page for the program that has started this browser.

import { Model } from "/model.js";

const say = (name, body) => fetch(name, { method: "POST", body });

async function main() {
  const model = await Model.open();
  const brand = navigator.userAgentData?.brands.find((each) => each.brand === "Chromium");
  await say("ready", brand ? `Chromium ${brand.version}` : "a browser");
  const { image } = model.takes, size = image[0] * image[1] * image[2];
  for (;;) {
    const work = await fetch("work");
    if (work.status === 204) continue;
    const pixels = new Uint8Array(await work.arrayBuffer());
    if (work.headers.get("X-Work") === "time") {
      await say("answer", await model.time(pixels, 10, 10));
      continue;
    }
    const found = [];
    for (let start = 0; start < pixels.length; start += size) {
      found.push(...await model.run(pixels.subarray(start, start + size)));
    }
    await say("answer", new Blob(found));
  }
}

addEventListener("unhandledrejection", (event) => say("failure", String(event.reason)));
main().catch((error) => say("failure", String(error)));
