// What the checks of all clients have in common.

export function is(actual, expected, what) {
    const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)]
    if (one !== other) throw new Error(`${what}: ${one} where ${other} is right`)
}

export async function rejection(promise, what) {
    try {
        await promise
    } catch (error) {
        return error
    }
    throw new Error(`${what} did not fail`)
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))

/** Runs one of the checks: "passed", or what is wrong. */
export const runner = (checks) => async (name, world) => {
    const late = new Promise((resolve) => setTimeout(() => resolve("it hangs"), 60_000))
    const check = checks[name](world).then(() => "passed", (error) => error.stack)
    return Promise.race([check, late])
}
