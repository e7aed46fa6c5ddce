// The standard rules, and what the design asks of every stylesheet.
export default {
  extends: "stylelint-config-standard",
  rules: {
    "declaration-no-important": true,
    "selector-max-id": 0,
    // Tokens stand in one block; rules stand in the order of the page, not of their weight.
    "custom-property-empty-line-before": null,
    "no-descending-specificity": null,
    // OKLCH as the design gives it.
    "lightness-notation": "number",
    "hue-degree-notation": "number",
    // Names of fonts, as their makers spell them.
    "value-keyword-case": ["lower", { ignoreProperties: [/^--/, "font-family"] }],
    // Safari still wants them.
    "property-no-vendor-prefix": [true, { ignoreProperties: ["text-size-adjust", "user-select"] }],
  },
};
