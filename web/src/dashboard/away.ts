/** Why nothing can be asked of the daemon while it is away; undefined while it is there. */
export const awayIf = (frozen: boolean): string | undefined =>
  frozen ? "The daemon does not answer at the moment" : undefined;
