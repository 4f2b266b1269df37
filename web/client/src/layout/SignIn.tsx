/** How does somebody come in who has no cookie? */

import "./sign-in.css";
import { type FormEvent, useState } from "react";
import { send } from "@/api/client";
import { asProblem } from "@/api/problem";
import { CopyCommand } from "@/ui/CopyCommand";
import { sentence } from "@/ui/PageStates";

/** Asks for the token; the link that was printed does the same. */
export function SignIn({ onSignedIn }: { onSignedIn(): void }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const signIn = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await send("post", "/api/v1/sign-in", { body: { token: tokenOf(token) } });
      onSignedIn();
    } catch (error) {
      setProblem(sentence(asProblem(error).message));
    }
  };
  return (
    <section className="empty">
      <h1>Sign in</h1>
      <p>
        Open the link that the console printed when it was started, or paste it here. It has the
        token, which is also in <code>.farandole/web.json</code> of the pipeline’s folder.
      </p>
      <form className="sign-in" onSubmit={(event) => void signIn(event)}>
        <label htmlFor="token">Link or token</label>
        <input
          id="token"
          className="input"
          type="password"
          autoComplete="current-password"
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <button type="submit" className="btn primary" disabled={token.trim() === ""}>
          Sign in
        </button>
      </form>
      {problem && (
        <p className="tone-dead" role="alert">
          {problem}
        </p>
      )}
      <p>This starts a console that prints another link:</p>
      <CopyCommand command="farandole web" />
    </section>
  );
}

/** The token in a link, or what was typed. */
export function tokenOf(text: string): string {
  return /[?&]token=([^&\s]+)/.exec(text)?.[1] ?? text.trim();
}
