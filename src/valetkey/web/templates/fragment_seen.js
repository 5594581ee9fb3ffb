(() => {
  if (!location.hash) return;
  history.replaceState(null, "", location.pathname);
  addEventListener("DOMContentLoaded", () => {
    const form = document.createElement("form"), field = document.createElement("input");
    form.method = "post";
    form.action = location.pathname;
    field.type = "hidden";
    field.name = "fragment_seen";
    field.value = "1";
    form.append(field);
    document.body.append(form);
    form.submit();
  });
})();
