// Passkeys: asks the browser for one, and sends what it answers with the form around the button.
// Where a browser does not know them, the button stays hidden.

async function ask(button) {
  const form = button.form;
  const response = await fetch(button.dataset.options, { method: "POST", body: new FormData(form) });
  if (!response.ok) throw new Error(`The options came with status ${response.status}.`);
  const options = await response.json();
  const credential =
    button.dataset.passkey === "create"
      ? await navigator.credentials.create({
          publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
        })
      : await navigator.credentials.get({
          publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
        });
  form.elements.credential.value = JSON.stringify(credential);
  form.submit(); // Not `requestSubmit`: the code that is not typed would be asked for.
}

async function run(button) {
  const trouble = button.form.querySelector("[data-passkey-trouble]");
  const isMaking = button.dataset.passkey === "create";
  if (isMaking && !button.form.reportValidity()) return;
  trouble.hidden = true;
  button.disabled = true;
  try {
    await ask(button);
  } catch {
    trouble.hidden = false; // Cancelled, or none here, or the options did not come.
  } finally {
    button.disabled = false;
  }
}

if (globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.addEventListener("click", () => run(button));
    button.hidden = false;
  }
}
