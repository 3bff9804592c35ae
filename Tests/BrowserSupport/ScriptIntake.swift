import OmniwayTesting
package import OmniwayTransport

/// Plays a server that says what it is told: bytes to send as one message, `w` and bytes to wait for, `t` for a text,
/// `x` to close.
package final class ScriptIntake: LinkIntake, LinkHandler {
    private var steps: ArraySlice<String>
    private var heard: [UInt8] = []

    package init(_ steps: [String]) { self.steps = steps[...] }

    package func accept(_ link: Link) -> (any LinkHandler)? { self }
    package func opened(_ link: Link) { goOn(link) }

    package func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        heard += unsafe bytes.withUnsafeBytes { unsafe Array($0) }
        goOn(link)
        return bytes.byteCount
    }

    private func goOn(_ link: Link) {
        while let step = steps.first {
            if step.first == "w" {
                let wanted = Vectors.bytes(String(step.dropFirst())) ?? []
                guard heard.starts(with: wanted) else { return }
                heard.removeFirst(wanted.count)
            } else if step == "x" {
                link.close(.done)
            } else if step == "t" {
                link.outgoingKind = .text
                link.write(Array("text".utf8))
            } else {
                link.write(Vectors.bytes(step) ?? [])
            }
            steps.removeFirst()
        }
    }
}
