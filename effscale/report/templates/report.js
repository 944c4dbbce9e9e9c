"use strict";
// Sorting by a click on a column's title, and searching; the page is whole without.
(() => {
  const scales = {k: 1e3, M: 1e6, G: 1e9, T: 1e12};

  // A cell's exact number where the page has it, or the first number that it shows.
  function order(cell) {
    if (cell.dataset.order !== undefined) return Number(cell.dataset.order);
    const match = cell.textContent.match(/(-?\d[\d,.]*)\s?([kMGT]?)\b/);
    if (!match) return null;
    return Number(match[1].replaceAll(",", "")) * (scales[match[2]] || 1);
  }

  function compare(a, b, column) {
    const [one, other] = [a.cells[column], b.cells[column]];
    if (one.classList.contains("left")) {
      return one.textContent.localeCompare(other.textContent, "en", {numeric: true});
    }
    const [x, y] = [order(one), order(other)];
    if (x === null || y === null) return (x === null) - (y === null);
    return x - y;
  }

  function sort(heading) {
    const table = heading.closest("table");
    const numbers = !heading.classList.contains("left");
    const now = heading.getAttribute("aria-sort");
    const first = numbers ? "descending" : "ascending";
    const next = now === null ? first
      : now === "ascending" ? "descending" : "ascending";
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", next);
    const sign = next === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => sign * compare(a, b, heading.cellIndex));
    table.tBodies[0].append(...rows);
  }

  for (const heading of document.querySelectorAll("thead th")) {
    if (!heading.textContent) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sort(heading));
    heading.replaceChildren(button);
  }

  // What a row is called, its figures left out: network, part, operator.
  function labels(row, name) {
    const cells = row.querySelectorAll("th, .left");
    const text = [name, ...Array.from(cells, (cell) => cell.textContent)].join(" ");
    return text.toLowerCase().split(/[\s,]+/);
  }

  // Every word has to begin one of a row's labels, the name of its network included.
  function search(text) {
    const words = text.toLowerCase().split(/[\s,]+/).filter(Boolean);
    let found = 0;
    for (const chapter of document.querySelectorAll(".chapter")) {
      const name = chapter.querySelector("h2")?.textContent || "";
      let shown = 0;
      for (const row of chapter.querySelectorAll("tbody tr")) {
        const known = labels(row, name);
        row.hidden = !words.every((word) => known.some((each) => each.startsWith(word)));
        shown += !row.hidden;
      }
      if (chapter.classList.contains("network")) chapter.hidden = !shown;
      found += shown;
    }
    const rows = `${found} ${found === 1 ? "row" : "rows"}`;
    document.querySelector(".search output").textContent = words.length ? rows : "";
  }

  const box = document.getElementById("search");
  box.addEventListener("input", () => search(box.value));
  document.querySelector(".search").hidden = false;
  if (box.value) search(box.value);
})();
