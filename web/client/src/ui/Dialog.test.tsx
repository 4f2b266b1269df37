import { QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { type ReactNode, useState } from "react";
import { expect, test, vi } from "vitest";
import { createQueryClient } from "@/api/queries";
import { ConfirmDialog, Dialog } from "./Dialog";

/** Around a dialog: somebody who may do everything. */
function Signed({ children }: { children: ReactNode }) {
  const queries = createQueryClient();
  queries.setQueryData(["session"], { name: "eve", role: "editor" });
  return <QueryClientProvider client={queries}>{children}</QueryClientProvider>;
}

test("what is lost must be typed before the deed is done", async () => {
  const onConfirm = vi.fn();
  render(
    <ConfirmDialog
      open
      onClose={() => {}}
      title="Remove small?"
      deed="Remove small"
      typed="small"
      onConfirm={onConfirm}
    />,
    { wrapper: Signed },
  );
  const deed = screen.getByRole("button", { name: "Remove small" });
  await userEvent.click(deed);
  expect(onConfirm).not.toHaveBeenCalled();
  expect(deed.title).toBe("Type small first");
  await userEvent.type(screen.getByLabelText(/Type small/), "small");
  await userEvent.click(deed);
  expect(onConfirm).toHaveBeenCalledOnce();
});

test("a reason that is required is handed on without the spaces around it", async () => {
  const onConfirm = vi.fn();
  render(
    <ConfirmDialog
      open
      onClose={() => {}}
      title="Discard?"
      deed="Discard 3 letters"
      reason="required"
      onConfirm={onConfirm}
    />,
    { wrapper: Signed },
  );
  await userEvent.click(screen.getByRole("button", { name: "Discard 3 letters" }));
  expect(onConfirm).not.toHaveBeenCalled();
  await userEvent.type(screen.getByLabelText("Reason"), " wrong file {Enter}");
  expect(onConfirm).toHaveBeenCalledExactlyOnceWith("wrong file");
});

/** A page with a button that opens a dialog. */
function Page() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Switch…
      </button>
      {open && (
        <Dialog open onClose={() => setOpen(false)} title="Switch">
          Which?
        </Dialog>
      )}
    </>
  );
}

test("the focus returns to what opened a dialog", async () => {
  render(<Page />, { wrapper: Signed });
  const opener = screen.getByRole("button", { name: "Switch…" });
  await userEvent.click(opener);
  await userEvent.click(screen.getByRole("button", { name: "Close" }));
  await waitFor(() => expect(document.activeElement).toBe(opener));
});
