(() => {
  const fragment = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  addEventListener("DOMContentLoaded", () => {
    const form = document.forms[0];
    document.getElementById("waiting").hidden = false;
    form.elements.fragment.value = fragment;
    form.submit();
  });
})();
