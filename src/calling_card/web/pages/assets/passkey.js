"use strict";
// Passkeys: asks the browser for one, or to make one, puts its answer into the field "passkey" and sends the form.
(() => {
  const form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential || !navigator.credentials) return;
  const unused = document.getElementById("passkey-unused");
  const button = document.getElementById("passkey-button");
  const create = form.dataset.passkey === "create";

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

  const text = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");

  const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  function options() {
    const said = JSON.parse(form.dataset.options);
    const made = { ...said, challenge: bytes(said.challenge) };
    if (!create) return { ...made, allowCredentials: named(said.allowCredentials) };
    return { ...made, user: { ...said.user, id: bytes(said.user.id) }, excludeCredentials: named(said.excludeCredentials) };
  }

  function written(credential) {
    const { response } = credential;
    const parts = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) parts[name] = text(response[name]);
    }
    if (response.getTransports) parts.transports = response.getTransports();
    return {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment || undefined,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: parts,
    };
  }

  function send(credential) {
    let answer;
    try {
      answer = credential.toJSON();
    } catch {
      answer = written(credential); // the browser, or what stands in for it, has no toJSON
    }
    form.elements.namedItem("passkey").value = JSON.stringify(answer);
    form.submit();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    unused.hidden = true;
    button.disabled = true;
    try {
      send(await navigator.credentials[form.dataset.passkey]({ publicKey: options() }));
    } catch {
      unused.hidden = false;
      button.disabled = false;
    }
  });

  window.addEventListener("pageshow", () => {
    button.disabled = false;
  });
  form.hidden = false;
  const unable = document.getElementById("passkey-unable");
  if (unable) unable.hidden = true;
})();
