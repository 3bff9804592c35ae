/// How the end of a body is made known.
public enum HTTPBodyLength: Sendable, Equatable {
    /// There is no body, and the head need not say so.
    case none
    case known(Int)
    case chunked
    /// The connection ends with the body; only for responses to old clients.
    case untilTheEnd
}

/// What a connection adds to a head that is written on it.
package struct HTTPConnectionFields: Sendable {
    package enum Persistence: Sendable { case asUsual, close, keepAlive }

    package var length: HTTPBodyLength
    package var persistence: Persistence
    /// The value of Date; empty for none.
    package var date: [UInt8]

    package init(length: HTTPBodyLength, persistence: Persistence = .asUsual, date: [UInt8] = []) {
        (self.length, self.persistence, self.date) = (length, persistence, date)
    }
}

/// A head that cannot be written. Nothing of it was.
public enum HTTPWriteError: Error, Equatable, CustomStringConvertible {
    case method(String)
    case target(String)
    case reason(String)
    case fieldName(String)
    case fieldValue(name: String)

    public var description: String {
        switch self {
        case .method(let method): "\"\(method)\" is not a method; use letters, digits and hyphens"
        case .target(let target): "\"\(target)\" is not a target; percent-encode blanks and whatever is not ASCII"
        case .reason(let reason): "the reason \"\(reason)\" contains a control character; leave it out"
        case .fieldName(let name): "\"\(name)\" is not a field name; use letters, digits and hyphens"
        case .fieldValue(let name):
            "the value of \(name) contains a line break or another control character; check what it was made from"
        }
    }
}

extension HTTPRequestHead {
    /// The head as it is sent.
    public func bytes() throws(HTTPWriteError) -> [UInt8] {
        var bytes: [UInt8] = []
        try write(to: &bytes, adding: nil)
        return bytes
    }

    /// Appends the head. With `own`, fields about the body and the connection are the connection's alone.
    package func write(to bytes: inout [UInt8], adding own: HTTPConnectionFields?) throws(HTTPWriteError) {
        let start = bytes.count
        guard !method.rawValue.isEmpty, method.rawValue.utf8.allSatisfy(HTTPCharacters.isToken) else {
            throw .method(method.rawValue)
        }
        guard !target.isEmpty, target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "#") }) else {
            throw .target(target)
        }
        bytes.append(contentsOf: method.rawValue.utf8)
        bytes.append(UInt8(ascii: " "))
        bytes.append(contentsOf: target.utf8)
        bytes.append(UInt8(ascii: " "))
        bytes.append(version.text)
        bytes.append("\r\n")
        try headers.write(to: &bytes, adding: own, undoingTo: start)
    }
}

extension HTTPResponseHead {
    /// The head as it is sent.
    public func bytes() throws(HTTPWriteError) -> [UInt8] {
        var bytes: [UInt8] = []
        try write(to: &bytes, adding: nil)
        return bytes
    }

    /// Appends the head. With `own`, fields about the body and the connection are the connection's alone.
    package func write(to bytes: inout [UInt8], adding own: HTTPConnectionFields?) throws(HTTPWriteError) {
        let start = bytes.count
        bytes.append(version.text)
        bytes.append(UInt8(ascii: " "))
        for divisor in [100, 10, 1] { bytes.append(UInt8(ascii: "0") + UInt8(status.code / divisor % 10)) }
        bytes.append(UInt8(ascii: " "))
        bytes.append(contentsOf: reason.utf8)
        guard bytes[start...].allSatisfy(HTTPCharacters.isValue) else {
            bytes.removeSubrange(start...)
            throw .reason(reason)
        }
        bytes.append("\r\n")
        try headers.write(to: &bytes, adding: own, undoingTo: start)
    }
}

extension HTTPHeaders {
    fileprivate func write(
        to bytes: inout [UInt8], adding own: HTTPConnectionFields?, undoingTo start: Int
    ) throws(HTTPWriteError) {
        var hasDate = false
        for field in fields {
            if let own {
                if own.owns(self, field) { continue }
                hasDate = hasDate || isName(of: field, "date")
            }
            do {
                try check(field)
            } catch {
                bytes.removeSubrange(start...)
                throw error
            }
            bytes.append(contentsOf: self.bytes[field.name])
            bytes.append(": ")
            bytes.append(contentsOf: self.bytes[field.value])
            bytes.append("\r\n")
        }
        own?.write(to: &bytes, hasDate: hasDate)
        bytes.append("\r\n")
    }

    /// A value with a line break would begin another field, or another message.
    private func check(_ field: Field) throws(HTTPWriteError) {
        guard !field.name.isEmpty, bytes[field.name].allSatisfy(HTTPCharacters.isToken) else {
            throw .fieldName(text(field.name))
        }
        guard bytes[field.value].allSatisfy(HTTPCharacters.isValue) else {
            throw .fieldValue(name: text(field.name))
        }
    }
}

extension HTTPConnectionFields {
    fileprivate func owns(_ headers: HTTPHeaders, _ field: HTTPHeaders.Field) -> Bool {
        switch field.name.count {
        case 10: persistence != .asUsual && headers.isName(of: field, "connection")
        case 14: headers.isName(of: field, "content-length")
        case 17: headers.isName(of: field, "transfer-encoding")
        default: false
        }
    }

    fileprivate func write(to bytes: inout [UInt8], hasDate: Bool) {
        if !date.isEmpty, !hasDate {
            bytes.append("Date: ")
            bytes.append(contentsOf: date)
            bytes.append("\r\n")
        }
        switch length {
        case .none, .untilTheEnd: break
        case .known(let count):
            bytes.append("Content-Length: ")
            bytes.append(decimal: count)
            bytes.append("\r\n")
        case .chunked: bytes.append("Transfer-Encoding: chunked\r\n")
        }
        switch persistence {
        case .asUsual: break
        case .close: bytes.append("Connection: close\r\n")
        case .keepAlive: bytes.append("Connection: keep-alive\r\n")
        }
    }
}

/// The lines around a chunk of a body.
package enum HTTPChunk {
    package static let end: [UInt8] = Array("\r\n".utf8)
    /// What ends a chunked body that has no trailers.
    package static let last: [UInt8] = Array("0\r\n\r\n".utf8)

    /// The line in front of `count` bytes.
    package static func begin(_ count: Int) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(18)
        line.append(hexadecimal: count)
        line += end
        return line
    }
}

extension [UInt8] {
    @inline(__always)
    fileprivate mutating func append(_ text: StaticString) {
        // Safe because a static text has so many bytes at its start; all of ours are more than one scalar.
        unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    fileprivate mutating func append(hexadecimal number: Int) {
        if number >= 16 { append(hexadecimal: number / 16) }
        append("0123456789abcdef".utf8.span[number % 16])
    }

    fileprivate mutating func append(decimal number: Int) {
        if number >= 10 { append(decimal: number / 10) }
        append(UInt8(ascii: "0") + UInt8(number % 10))
    }
}
