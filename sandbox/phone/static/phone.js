// What the pages do beyond links and forms: ask for the list again each second and take over what changed in it, send
// without leaving the page, show times in the reader's zone, copy codes.
"use strict";

const PAUSE = 1000; // milliseconds between two questions
const PAUSE_WITHOUT_ANSWER = 3000;

const list = document.querySelector("[data-poll]");
const scroller = document.querySelector(".scroll");
const notice = document.querySelector("#notice");
const offline = document.querySelector("[data-offline]");

// ---- times

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DATE = { day: "numeric", month: "short" };
const DAY = { weekday: "long", day: "numeric", month: "long", year: "numeric" };

function dayOf(moment) {
  return moment.toLocaleDateString("en-GB", DAY);
}

function dayInWords(moment) {
  const yesterday = new Date();
  yesterday.setDate(yesterday.getDate() - 1);
  const words = { [dayOf(new Date())]: "Today", [dayOf(yesterday)]: "Yesterday" };
  return words[dayOf(moment)] ?? dayOf(moment);
}

function inWords(moment, kind) {
  if (kind === "day") return dayInWords(moment);
  const isToday = dayOf(moment) === dayOf(new Date());
  if (kind === "clock" || isToday) return moment.toLocaleTimeString("en-GB", CLOCK);
  return moment.toLocaleDateString("en-GB", DATE);
}

// An element and what is in it, as far as the selector goes.
function withSelf(root, selector) {
  const inside = [...root.querySelectorAll(selector)];
  return root.matches(selector) ? [root, ...inside] : inside;
}

function showLocalTimes(root) {
  for (const time of withSelf(root, "time[data-as]")) {
    const moment = new Date(time.dateTime);
    time.textContent = inWords(moment, time.dataset.as);
    time.title = moment.toLocaleString("en-GB", { dateStyle: "full", timeStyle: "medium" });
  }
  for (const ticks of withSelf(root, "[data-words]")) {
    const words = `${ticks.dataset.words} ${inWords(new Date(ticks.dataset.at), "clock")}`;
    ticks.setAttribute("aria-label", words);
    ticks.title = words;
  }
}

// A day is named above its first message: which one that is depends on the reader's zone.
function nameDays() {
  let before = "";
  for (const heading of document.querySelectorAll(".day")) {
    const day = heading.textContent;
    heading.hidden = day === before;
    before = day;
  }
}

// ---- taking over what changed
//
// An item keeps the HTML it was served with; as long as that stays the same the item is left alone, and so is each part of
// an item. What is replaced while it has the focus hands it on to its successor.

function remember(item) {
  item.served = item.outerHTML;
  for (const part of item.querySelectorAll("[data-part]")) part.served = part.outerHTML;
  showLocalTimes(item);
}

function renew(item, fresh) {
  if (item.served === fresh.outerHTML) return;
  item.served = fresh.outerHTML;
  for (const part of item.querySelectorAll("[data-part]")) {
    const successor = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!successor || successor.outerHTML === part.served) continue;
    successor.served = successor.outerHTML;
    showLocalTimes(successor);
    part.replaceWith(successor);
  }
}

function takeOver(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const focused = document.activeElement?.id;
  let place = list.firstElementChild;
  for (const item of [...fresh.content.children]) {
    let mine = list.querySelector(`:scope > #${CSS.escape(item.id)}`);
    if (mine) renew(mine, item);
    else remember((mine = item));
    if (mine === place) place = place.nextElementSibling;
    else list.insertBefore(mine, place);
  }
  while (place) {
    const gone = place;
    place = place.nextElementSibling;
    gone.remove();
  }
  nameDays();
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

// Who reads further up keeps their place; who is at the end stays there.
function holdingPlace(change) {
  const anchor = isAtEnd() ? null : firstVisible();
  const before = anchor?.getBoundingClientRect().top;
  change();
  if (anchor?.isConnected) scroller.scrollTop += anchor.getBoundingClientRect().top - before;
  else if (!anchor) toEnd();
}

function firstVisible() {
  const top = scroller.getBoundingClientRect().top;
  return [...list.children].find((item) => item.getBoundingClientRect().bottom > top);
}

// The newest message is at 0 in both lists: a chat is scrolled from below, the list of chats from above.
function isAtEnd() {
  return Math.abs(scroller.scrollTop) < 40;
}

function toEnd() {
  scroller.scrollTop = 0;
}

// ---- asking

let tag = "";

async function ask() {
  const answer = await fetch(list.dataset.poll, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
  if (answer.status !== 304 && !answer.ok) throw new Error(`status ${answer.status}`);
  if (answer.status === 304) return;
  const html = await answer.text();
  tag = answer.headers.get("ETag") ?? "";
  holdingPlace(() => takeOver(html));
}

async function keepAsking() {
  let pause = PAUSE;
  try {
    if (!document.hidden) await ask();
    offline.hidden = true;
  } catch {
    offline.hidden = false;
    pause = PAUSE_WITHOUT_ANSWER;
  }
  setTimeout(keepAsking, pause);
}

// ---- sending

function say(sentence) {
  notice.textContent = sentence;
  notice.hidden = !sentence;
}

async function post(form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  const answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body });
  if (answer.ok) return "";
  const problem = await answer.json().catch(() => ({}));
  return problem.error ?? `Not sent: the sandbox answered ${answer.status}.`;
}

async function send(form, submitter) {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  const text = form.elements.text;
  try {
    const problem = await post(form, submitter);
    say(problem);
    if (problem) return;
    if (text) text.value = "";
    await ask();
    toEnd();
  } catch {
    say("Not sent: the sandbox does not answer. Is it still running?");
  } finally {
    delete form.dataset.busy;
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-reply]")) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "text" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  const label = button?.querySelector("span");
  if (!button || button.dataset.busy) return;
  button.dataset.busy = "yes";
  const words = label.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy || document.querySelector("#example").textContent);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Copy it by hand:"; // no permission, or no https
  }
  setTimeout(() => {
    label.textContent = words;
    delete button.dataset.busy;
  }, 1500);
});

if (list) {
  for (const item of list.children) remember(item);
  nameDays();
  keepAsking();
}
