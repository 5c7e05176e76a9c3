import "../styles.css";
import { createRoot } from "react-dom/client";
createRoot(document.getElementById("root") as HTMLElement).render(<h1>Pipeweave console</h1>);
