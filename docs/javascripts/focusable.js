// What scrolls sideways can be reached and scrolled by the keyboard.
const focusable = () => {
  for (const each of document.querySelectorAll("pre > code, .md-typeset__scrollwrap")) {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  }
};
// The theme wraps tables after the page is there.
new MutationObserver(focusable).observe(document.body, { childList: true, subtree: true });
addEventListener("resize", focusable);
focusable();
