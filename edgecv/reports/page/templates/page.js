"use strict";
for (const plot of document.querySelectorAll("figure.plot")) {
  const pointed = plot.querySelector(".pointed");
  for (const mark of plot.querySelectorAll(".mark")) {
    const show = () => { pointed.textContent = mark.getAttribute("aria-label"); };
    mark.addEventListener("mouseenter", show);
    mark.addEventListener("focus", show);
    mark.addEventListener("click", show);
  }
}
for (const gallery of document.querySelectorAll(".gallery")) {
  const filters = gallery.querySelector(".filters");
  const tiles = gallery.querySelectorAll(".tile");
  const count = gallery.querySelector("output");
  const choices = filters.querySelectorAll("select");
  const button = filters.querySelector("button");
  let most = 24;
  const filter = () => {
    let shown = 0, fitting = 0;
    for (const tile of tiles) {
      const fits = [...choices].every((each) => each.value === "" || tile.dataset[each.name] === each.value);
      fitting += fits ? 1 : 0;
      tile.hidden = !fits || fitting > most;
      shown += tile.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${tiles.length} shown`;
    button.hidden = shown === fitting;
  };
  button.addEventListener("click", () => { most = Infinity; filter(); });
  for (const choice of choices) choice.addEventListener("change", filter);
  filters.hidden = false;
  filter();
}
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details:not([open])")) {
    each.open = true;
    each.dataset.closed = "";
  }
});
addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll("details[data-closed]")) {
    each.open = false;
    delete each.dataset.closed;
  }
});
