// What a click on a case shows, and the filters. Everything that a server sent is set as text, never as markup.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const dialog = document.getElementById("case");
const filters = document.getElementById("filters");

function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// -- One case -------------------------------------------------------------------------------------------

function chip(verdict) {
  return made("span", { class: `chip ${verdict.replace(" ", "-")}` }, `${data.signs[verdict]} ${verdict}`);
}

function pictures(names, alt) {
  const shown = names.filter((name) => name in data.pictures);
  if (!shown.length) return null;
  return made("p", { class: "pictures" }, ...shown.map((name) => made("img", { src: data.pictures[name], alt })));
}

function copied(button, pre) {
  const select = () => getSelection().selectAllChildren(pre);
  if (!navigator.clipboard) return select();
  navigator.clipboard.writeText(pre.textContent).then(() => { button.textContent = "Copied"; }, select);
}

function block(title, text, kind) {
  const pre = made("pre", { class: kind, tabindex: "0" }, text);
  const copy = made("button", { type: "button", onclick: () => copied(copy, pre) }, "Copy");
  return made("div", {}, made("h4", {}, title, copy), pre);
}

function call(name) {
  const exchange = data.exchanges[name];
  if (!exchange) return made("p", { class: "note" }, `${name} was not kept.`);
  const headers = Object.entries(exchange.headers).map(([header, value]) => `${header}: ${value}`).join("\n");
  return made("section", { class: "call" },
    made("h3", {}, `${exchange.called} → ${exchange.came}`),
    block("Request, as a command that repeats it", exchange.curl, "request"),
    pictures(exchange.sent, "The picture that was sent"),
    exchange.body && block("Reply", exchange.body, "reply text"),
    pictures(exchange.pictures, "The picture that came, small"),
    headers && block("Headers of the reply", headers, "headers"));
}

// The buttons that open a case and can be seen, so that next and previous follow the filters.
function shownCells() {
  return [...document.querySelectorAll(".cell")].filter((cell) => cell.offsetParent);
}

function step(number, by) {
  const cells = shownCells();
  const at = cells.findIndex((cell) => Number(cell.dataset.case) === number);
  const next = cells[at + by];
  if (next) show(Number(next.dataset.case));
}

function show(number) {
  const one = data.cases[number];
  const told = [
    made("div", { class: "bar" },
      made("button", { type: "button", class: "previous", onclick: () => step(number, -1) }, "Previous"),
      made("button", { type: "button", class: "next", onclick: () => step(number, 1) }, "Next"),
      made("button", { type: "button", class: "close", onclick: () => dialog.close() }, "Close")),
    made("h2", { id: "case-title" }, one.id),
    made("p", {}, chip(one.verdict), " ", made("span", { class: "layer" }, one.layer)),
    made("p", { class: "claim" }, one.claim),
    one.reasons.length ? made("ul", { class: "reasons" }, ...one.reasons.map((reason) => made("li", {}, reason))) : null,
    one.deviation && made("p", {}, "Known as ", made("code", {}, one.deviation), "."),
    ...one.calls.map(call),
    one.calls.length ? null : made("p", { class: "note" }, "No call was sent for it."),
  ];
  const focused = document.activeElement?.className;
  dialog.replaceChildren(...told.filter((part) => part !== null));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  // The button that was pressed is gone: its successor takes the focus.
  const button = ["previous", "next"].includes(focused) ? focused : "close";
  dialog.querySelector(`.${button}`).focus();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest(".cell, button.open");
  if (opener) show(Number(opener.closest("[data-case]").dataset.case));
  else if (event.target === dialog) dialog.close();
});

// -- Filters --------------------------------------------------------------------------------------------

const haystacks = data.cases.map((one) => [one.id, one.claim, one.deviation, ...one.reasons].join("\n").toLowerCase());

function matches(number, wanted) {
  const one = data.cases[number];
  return ["verdict", "operation", "layer"].every((name) => !wanted[name] || wanted[name] === one[name])
    && haystacks[number].includes(wanted.text.trim().toLowerCase());
}

function apply() {
  const wanted = Object.fromEntries(new FormData(filters));
  const found = data.cases.map((_, number) => matches(number, wanted));
  for (const element of document.querySelectorAll(".cell, .failure")) {
    element.hidden = !found[Number(element.dataset.case)];
  }
  for (const part of document.querySelectorAll(".grid tbody tr, .endpoint")) {
    part.hidden = !part.querySelector(".cell:not([hidden])");
  }
  document.getElementById("shown").textContent = `${found.filter(Boolean).length} of ${data.cases.length} cases`;
}

// A text speaks as it is typed; not every browser says "input" of a choice.
for (const kind of ["input", "change"]) filters.addEventListener(kind, apply);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => setTimeout(apply));

for (const element of document.querySelectorAll(".needs-script, #filters")) element.hidden = false;

// On a narrow screen the filters are folded, and their bar is none that stays.
const wide = matchMedia("(min-width: 46.01rem)");
const fold = () => { document.getElementById("fold").open = wide.matches; };
wide.addEventListener("change", fold);
fold();
new ResizeObserver(() => {
  const height = getComputedStyle(filters).position === "sticky" ? filters.offsetHeight : 0;
  document.documentElement.style.setProperty("--bar", `${height}px`);
}).observe(filters);
apply();
