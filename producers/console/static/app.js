/* The little that pages need besides htmx. Everything works without it, except what changes by itself. */
"use strict";
(() => {
  const all = (selector, root = document) => root.querySelectorAll(selector);
  const csrf = () => document.querySelector('meta[name="csrf"]')?.content ?? "";

  // Browsers offer navigator.clipboard only under TLS and on the machine itself.
  const copied = async (element) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(element.textContent.trim());
    getSelection().selectAllChildren(element);
    document.execCommand("copy");
  };

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open-menu]");
    if (opener) {
      const open = opener.closest(".side").classList.toggle("open");
      opener.setAttribute("aria-expanded", String(open));
    }
    const opens = event.target.closest("[data-opens]");
    if (opens) document.getElementById(opens.dataset.opens)?.showModal();
    const closes = event.target.closest("[data-closes]");
    if (closes) { event.preventDefault(); closes.closest("dialog")?.close(); }
    const dismiss = event.target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest(".notice")?.remove();
    const copy = event.target.closest("[data-copy]");
    if (copy) copied(document.getElementById(copy.dataset.copy)).then(() => { copy.textContent = copy.dataset.copied; });
    const inside = event.target.closest('a[href^="#"]');
    if (inside) document.getElementById(inside.hash.slice(1))?.closest("details")?.setAttribute("open", "");
    const check = event.target.closest("[data-checks]");
    if (check) for (const box of all(check.dataset.checks)) box.checked = check.checked;
  });

  // A button with data-word works only when the field beside it has exactly that word.
  const judge = (field) => {
    const button = field.form?.querySelector("[data-confirms]");
    if (button) button.disabled = field.value.trim() !== field.dataset.word;
  };
  document.addEventListener("input", (event) => { if (event.target.dataset?.word !== undefined) judge(event.target); });
  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-autosubmit]")) event.target.form?.requestSubmit();
  });

  // Forms in parts that are shared by all watchers have no secret of their own; a form is sent once.
  document.addEventListener("submit", (event) => {
    for (const field of all('input[name="csrf"]', event.target)) if (!field.value) field.value = csrf();
    const button = event.submitter;
    if (event.target.method === "post" && button) setTimeout(() => { button.disabled = true; });
    setTimeout(() => { if (button) button.disabled = false; }, 3000);
  });

  // On a phone each row of a table is a card, and each cell says what it is (pages.css).
  const label = (table) => {
    const heads = [...all("thead th", table)].map((each) => each.querySelector(".hidden") ? "" : each.textContent.trim());
    for (const row of all("tbody tr, tfoot tr", table))
      [...row.cells].forEach((cell, at) => { if (cell.colSpan === 1 && heads[at]) cell.dataset.label = heads[at]; });
  };

  const begin = (root) => {
    for (const table of all("table.cards", root)) label(table);
    for (const field of all("[data-word]", root)) judge(field);
    // A form whose mistake the server says opens again, and above the page.
    for (const dialog of all("dialog[open]", root)) { dialog.close(); dialog.showModal(); }
    // The server may stand behind a proxy: only the browser knows the whole address.
    for (const each of all("[data-address]", root)) each.textContent = new URL(each.textContent.trim(), location.href).href;
  };
  document.addEventListener("DOMContentLoaded", () => begin(document));
  document.addEventListener("htmx:after:swap", (event) => begin(event.target.nodeType ? event.target : document));
  document.addEventListener("htmx:config:request", (event) => {
    const request = event.detail?.ctx?.request;
    if (request) request.headers["X-CSRF-Token"] = csrf();
  });
  // The session has ended: the page itself leads to the sign-in.
  document.addEventListener("htmx:sse:error", (event) => {
    if (event.detail?.status === 401) location.reload();
  });
})();
