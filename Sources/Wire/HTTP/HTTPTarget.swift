/// The forms of a target, and which methods may have them (RFC 9112, section 3.2).
enum HTTPTarget {
    /// The host and port in a whole URI; nil when the target is none.
    static func authority(of target: String) -> Substring? {
        for scheme in ["http://", "https://"] {
            let start = target.utf8.prefix(scheme.utf8.count)
            guard start.count == scheme.utf8.count,
                zip(start, scheme.utf8).allSatisfy({ HTTPCharacters.lowercase($0) == $1 })
            else { continue }
            return target[start.endIndex...].prefix { !"/?#".contains($0) }
        }
        return nil
    }

    /// Checks a target, and that Host says the same where both name a host.
    static func check(_ head: HTTPRequestHead, hasHost: Bool) throws(HTTPMessageError) {
        let first = head.target.utf8.first
        if head.target.utf8.contains(UInt8(ascii: "%")), hasZero(head.path.utf8) { throw .zeroInPath }
        if head.method == .connect {
            guard isHost(head.target, needsPort: true) else { throw .targetDoesNotSuitMethod("CONNECT") }
        } else if first == UInt8(ascii: "/") {
            return
        } else if let authority = authority(of: head.target) {
            guard !authority.isEmpty, isHost(String(authority), needsPort: false) else { throw .malformedTarget }
            if hasHost, !head.headers.lists("host", String(authority)) { throw .hostDiffersFromTarget }
        } else if head.target != "*" || head.method != .options {
            throw .targetDoesNotSuitMethod(head.method.rawValue)
        }
    }

    private static func hasZero(_ path: Substring.UTF8View) -> Bool {
        path.indices.contains { path[$0...].starts(with: "%00".utf8) }
    }

    /// `host`, `host:port`, `[::1]:port`. A comma is refused though a name may have one: it is more likely two values
    /// that somebody has joined.
    static func isHost(_ text: String, needsPort: Bool) -> Bool {
        var rest = text.utf8[...]
        if rest.first == UInt8(ascii: "[") {
            guard let end = rest.firstIndex(of: UInt8(ascii: "]")), rest.index(after: rest.startIndex) != end,
                rest[..<end].dropFirst().allSatisfy({ isAddressByte($0) })
            else { return false }
            rest = rest[end...].dropFirst()
        } else {
            let name = rest.prefix { $0 != UInt8(ascii: ":") }
            guard !name.isEmpty, isName(name) else { return false }
            rest = rest[name.endIndex...]
        }
        if rest.isEmpty { return !needsPort }
        let port = rest.dropFirst()
        guard rest.first == UInt8(ascii: ":"), port.count <= 5, port.allSatisfy(HTTPCharacters.isDigit) else {
            return false
        }
        return port.isEmpty ? !needsPort : (Int(Substring(port)) ?? .max) <= 65_535
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        HTTPCharacters.hexDigit(byte) != nil || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
    }

    /// Letters, digits, ``-._~!$&'()*+;=`` and percent-encoded bytes.
    private static func isName(_ name: Substring.UTF8View) -> Bool {
        var digits = 0  // That must still follow a percent sign.
        for byte in name {
            if digits > 0 {
                guard HTTPCharacters.hexDigit(byte) != nil else { return false }
                digits -= 1
            } else if byte == UInt8(ascii: "%") {
                digits = 2
            } else {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"),
                    UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ";"),
                    UInt8(ascii: "="):
                    break
                default: return false
                }
            }
        }
        return digits == 0
    }
}
