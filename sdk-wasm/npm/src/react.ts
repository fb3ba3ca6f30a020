/** @packageDocumentation */
export const placeholder = 0;
