// django-unfold moves tabs into a menu when the window narrows, and brings one back for each
// change of its size; a window that is widened at once keeps them hidden. Here they wrap.
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("tabs-dropdown")?.parentElement.remove();
});
