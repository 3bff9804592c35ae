import OmniwayMain

/// A value that is lines of `name=value`.
protocol Lines {
    init(lines: [String: String]) throws
    var lines: [(name: String, value: String)] { get }
}

/// Bodies are lines of `name=value`, for clients that have nothing to read JSON with.
///
/// This is all that it takes: a name that clients are told, which types it can write and read, and how.
struct LineSerializer: Serializer {
    let name = "lines"

    // Asked for each handler when the app starts: a type that is no `Lines` is heard of then.
    func canDecode(_ type: Any.Type) -> Bool { type is any Lines.Type }
    func canEncode(_ type: Any.Type) -> Bool { type is any Lines.Type }

    func decode<Value>(_ type: Value.Type, from body: [UInt8]) throws -> Value {
        var lines: [String: String] = [:]
        for line in String(decoding: body, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw AppError(AppError.badRequest, "\(line): expected name=value") }
            lines[String(parts[0])] = String(parts[1])
        }
        guard let type = type as? any Lines.Type, let value = try type.init(lines: lines) as? Value else {
            throw AppError(AppError.badRequest, "\(type) is not made of lines")
        }
        return value
    }

    func encode<Value>(_ value: Value) throws -> [UInt8] {
        guard let value = value as? any Lines else {
            throw AppError(AppError.unknown, "\(Value.self) is not made of lines")
        }
        return text(value.lines)
    }

    // Errors would be JSON otherwise.
    func encode(_ error: AppError) -> [UInt8] {
        text(
            [("code", error.code), ("msg", error.message)] + error.metadata.sorted { $0.key < $1.key }.map { ($0, $1) })
    }

    private func text(_ lines: [(name: String, value: String)]) -> [UInt8] {
        Array(lines.map { "\($0.name)=\($0.value)\n" }.joined().utf8)
    }
}
