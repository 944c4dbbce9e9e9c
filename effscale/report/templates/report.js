"use strict";
// Sorting by a column's title, searching, opening; the page is whole without.
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
    const names = new Set();
    for (const chapter of document.querySelectorAll(".chapter")) {
      const name = chapter.querySelector("summary h3")?.textContent || "";
      let shown = 0;
      for (const row of chapter.querySelectorAll("tbody tr")) {
        const known = labels(row, name);
        row.hidden = !words.every((word) => known.some((each) => each.startsWith(word)));
        shown += !row.hidden;
      }
      if (chapter.classList.contains("network")) {
        chapter.hidden = !shown;
        if (shown) names.add(name);
      }
      found += shown;
    }
    for (const each of document.querySelectorAll(".wide g[id*=':']")) {
      const drawn = each.id.slice(each.id.indexOf(":") + 1).split("|");
      each.classList.toggle("faded", !drawn.some((name) => names.has(name)));
    }
    const rows = `${found} ${found === 1 ? "row" : "rows"}`;
    document.querySelector(".search output").textContent = words.length ? rows : "";
  }

  // A link to a network opens it; what is folded is printed, too.
  function open() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.matches("details")) {
      target.open = true;
      target.scrollIntoView();
    }
  }
  addEventListener("hashchange", open);
  open();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const each of folded) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of folded) each.open = false;
  });

  const box = document.getElementById("search");
  box.addEventListener("input", () => search(box.value));
  document.querySelector(".search").hidden = false;
  if (box.value) search(box.value);
})();
