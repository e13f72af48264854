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
  const filter = () => {
    let shown = 0;
    for (const tile of tiles) {
      tile.hidden = [...choices].some((each) => each.value !== "" && tile.dataset[each.name] !== each.value);
      shown += tile.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${tiles.length} shown`;
  };
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
