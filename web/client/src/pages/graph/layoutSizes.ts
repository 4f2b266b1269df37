/** How much room does a picture need beside its nodes, in px? */

/** Above and below a stage: reasons above, dead letters below. */
export const NODE_ROOM = 54;

/** At each side of the words of an edge that may bend. */
export const BEND = 24;
