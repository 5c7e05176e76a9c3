interface Props {
  /** Oldest first; null where nothing was measured. */
  values: (number | null)[];
  /** What it shows, in words; it takes the place of the picture for who cannot see it. */
  label: string;
  /** The value at the top; without it the highest of the values. */
  max?: number;
  className?: string;
}

const width = 96;
const height = 24;

/** How a measurement went lately, in the size of a word. */
export function Sparkline({ values, label, max, className = "" }: Props) {
  const top = max ?? Math.max(...values.map((v) => v ?? 0), 0);
  const step = width / Math.max(1, values.length - 1);
  const y = (v: number) => height - 1 - (top > 0 ? Math.min(1, v / top) : 0) * (height - 2);
  // A gap lifts the pen.
  let path = "";
  let down = false;
  values.forEach((v, i) => {
    if (v !== null) path += `${down ? "L" : "M"}${(i * step).toFixed(1)} ${y(v).toFixed(1)}`;
    down = v !== null;
  });
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      className={`h-6 w-24 text-live ${className}`}
    >
      <path d={path} fill="none" stroke="currentColor" strokeWidth="1.5" vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
