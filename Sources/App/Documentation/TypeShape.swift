import FoundationEssentials
import OmniwayWire

/// What a type looks like in a body, in the words of the original: its names of types are those of Go.
indirect enum TypeShape: Equatable {
    /// `string`, `int`, `[]byte`, `time.Time`; or the name of a type about which no more is known.
    case named(String)
    case list(TypeShape)
    case map(TypeShape)
    case object([String: TypeShape])

    var json: JSON {
        switch self {
        case .named(let name): .string(name)
        case .list(let element): .array([element.json])
        case .map(.named(let value)): .string("map[string]\(value)")
        case .map(let value): .object(["map[string]": value.json])
        case .object(let fields): JSON(sorted: fields.map { ($0, $1.json) })
        }
    }

    /// Found by decoding a value of the type from nothing, and noting what it asks for. A type that takes only certain
    /// values ends that early; then `...` stands for the fields that it did not come to ask for.
    init(of type: Any.Type) {
        if let known = Self.known(type) {
            self = known
        } else if let type = type as? any Decodable.Type {
            self = TypeNote.shape(of: type, within: [])
        } else {
            self = .named("\(type)")
        }
    }

    static func known(_ type: Any.Type) -> TypeShape? { (standIns.first { $0.type == type }?.name).map { .named($0) } }

    /// What stands for a value while a type is looked at.
    static func standIn<Value>(for type: Value.Type) -> Value? { standIns.first { $0.type == type }?.value as? Value }

    private static let standIns: [(type: Any.Type, name: String, value: any Sendable)] = [
        (String.self, "string", ""), (Bool.self, "bool", false),
        (Int.self, "int", 0), (Int8.self, "int8", Int8(0)), (Int16.self, "int16", Int16(0)),
        (Int32.self, "int32", Int32(0)), (Int64.self, "int64", Int64(0)),
        (UInt.self, "uint", UInt(0)), (UInt8.self, "uint8", UInt8(0)), (UInt16.self, "uint16", UInt16(0)),
        (UInt32.self, "uint32", UInt32(0)), (UInt64.self, "uint64", UInt64(0)),
        (Float.self, "float32", Float(0)), (Double.self, "float64", 0.0), (Decimal.self, "float64", Decimal(0)),
        ([UInt8].self, "[]byte", [UInt8]()), (Data.self, "[]byte", Data()),
        (Date.self, "time.Time", Date(timeIntervalSince1970: 0)),
        (URL.self, "string", URL(filePath: "/")), (UUID.self, "string", UUID()),
        (JSON.self, "interface {}", JSON.null),
    ]
}

extension JSON {
    /// An object with its members in the order of their names, as Go writes maps.
    init(sorted members: [(String, JSON)]) {
        self = .object(members.sorted { $0.0 < $1.0 }.reduce(into: Object()) { $0[$1.0] = $1.1 })
    }
}
