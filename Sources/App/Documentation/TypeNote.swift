/// What is noted at one place of a type while a value of it is decoded from nothing.
final class TypeNote {
    /// The types around this place: one that holds itself is named and not followed.
    let around: [ObjectIdentifier]
    private var shape: TypeShape?
    private var fields: [String: TypeNote]?

    private static let mostDepth = 24

    private init(within around: [ObjectIdentifier]) { self.around = around }

    static func shape(of type: any Decodable.Type, within around: [ObjectIdentifier]) -> TypeShape {
        let note = TypeNote(within: around)
        _ = note.look(at: type)
        return note.found
    }

    private var found: TypeShape { shape ?? .object((fields ?? [:]).mapValues(\.found)) }

    // MARK: What a decoder is asked for

    func beginObject() { if fields == nil { fields = [:] } }

    func field(_ name: String) -> TypeNote {
        let note = fields?[name] ?? TypeNote(within: around)
        fields = (fields ?? [:]).merging([name: note]) { $1 }
        return note
    }

    /// The elements of a list that a type reads by hand: the last one counts.
    func element<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let note = TypeNote(within: around)
        defer { shape = .list(note.found) }
        return try note.value(of: type)
    }

    func value<Value: Decodable>(of type: Value.Type) throws -> Value {
        guard let value = look(at: type) else { throw NoValue() }
        return value
    }

    /// A value of the type where one can be made up, after its shape is noted.
    func look<Value: Decodable>(at type: Value.Type) -> Value? {
        if let known = TypeShape.known(type) {
            shape = known
            return TypeShape.standIn(for: type)
        }
        if let type = type as? any Holder.Type { return note(holder: type) as? Value }
        guard !around.contains(ObjectIdentifier(type)), around.count < Self.mostDepth else {
            shape = .named("\(type)")
            return nil
        }
        let inside = TypeNote(within: around + [ObjectIdentifier(type)])
        let value = (try? Value(from: TypeDecoder(note: inside))) ?? (type as? any CaseIterable.Type)?.anyCase as? Value
        if inside.shape == nil {
            if inside.fields?.isEmpty ?? true {
                inside.shape = .named("\(type)")
            } else if value == nil {
                inside.field("...").shape = .named("\(type)")
            }
        }
        shape = inside.found
        return value
    }

    private func note<Type: Holder>(holder: Type.Type) -> Any {
        shape = Type.around(Self.shape(of: Type.held, within: around))
        return Type.empty
    }
}

/// Ends the decoding of a type that needs a value that cannot be made up.
private struct NoValue: Error {}

/// Types that have an empty value, whatever they hold.
private protocol Holder {
    static var held: any Decodable.Type { get }
    static var empty: Self { get }
    static func around(_ shape: TypeShape) -> TypeShape
}

extension Array: Holder where Element: Decodable {
    fileprivate static var held: any Decodable.Type { Element.self }
    fileprivate static var empty: Self { [] }
    fileprivate static func around(_ shape: TypeShape) -> TypeShape { .list(shape) }
}

extension Set: Holder where Element: Decodable {
    fileprivate static var held: any Decodable.Type { Element.self }
    fileprivate static var empty: Self { [] }
    fileprivate static func around(_ shape: TypeShape) -> TypeShape { .list(shape) }
}

extension Dictionary: Holder where Key: Decodable, Value: Decodable {
    fileprivate static var held: any Decodable.Type { Value.self }
    fileprivate static var empty: Self { [:] }
    fileprivate static func around(_ shape: TypeShape) -> TypeShape { .map(shape) }
}

extension Optional: Holder where Wrapped: Decodable {
    fileprivate static var held: any Decodable.Type { Wrapped.self }
    fileprivate static var empty: Self { nil }
    fileprivate static func around(_ shape: TypeShape) -> TypeShape { shape }
}

extension CaseIterable {
    fileprivate static var anyCase: Self? { allCases.first }
}
