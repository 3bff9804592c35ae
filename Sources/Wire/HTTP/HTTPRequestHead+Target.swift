/// The parts of a target.
extension HTTPRequestHead {
    /// The path, without the query, as it was sent: `/` for a bare host, empty for `host:port` and `*`.
    public var path: Substring {
        let resource = self.resource
        return resource.prefix { $0 != "?" }
    }

    /// What follows the first question mark.
    public var query: Substring? {
        let resource = self.resource
        guard let mark = resource.utf8.firstIndex(of: UInt8(ascii: "?")) else { return nil }
        return resource[resource.utf8.index(after: mark)...]
    }

    /// The value of a parameter of the query, such as `b c` of `a=b%20c`. Nil when it is not there or not UTF-8.
    public func queryValue(_ name: String) -> String? {
        guard let query else { return nil }
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if HTTPPercent.decode(parts[0], plusIsSpace: true) == name {
                return HTTPPercent.decode(parts.count > 1 ? parts[1] : "", plusIsSpace: true)
            }
        }
        return nil
    }

    private var resource: Substring {
        if target.utf8.first == UInt8(ascii: "/") { return target[...] }
        guard let authority = HTTPTarget.authority(of: target) else { return "" }
        let rest = target[authority.endIndex...]
        return rest.utf8.first == UInt8(ascii: "/") ? rest : "/" + rest
    }
}

/// Bytes that stand in a URI as `%41`.
public enum HTTPPercent {
    /// Nil when a sequence is broken, or when the result is not UTF-8.
    public static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(HTTPCharacters.hexDigit),
                    let low = rest.next().flatMap(HTTPCharacters.hexDigit)
                else { return nil }
                bytes.append(UInt8(high << 4 | low))
            case UInt8(ascii: "+") where plusIsSpace: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
