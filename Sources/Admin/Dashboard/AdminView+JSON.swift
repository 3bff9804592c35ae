import OmniwayWire

/// What the page and other programs read.
extension AdminReport {
    var json: JSON {
        var json: JSON.Object = [
            "figures": .array(figures.map { .array([.string($0.name), .string($0.value)]) }),
            "tables": .array(tables.map(\.json)),
        ]
        if let graph { json["graph"] = graph.json }
        return .object(json)
    }
}

extension AdminTable {
    fileprivate var json: JSON {
        let rows = rows.map { row -> JSON in
            ["key": .string(row.key), "cells": .array(row.cells.map { .string($0) })]
        }
        return [
            "name": .string(name), "columns": .array(columns.map { .string($0) }), "rows": .array(rows),
            "count": JSON(count), "actions": .array(actions.map { .string($0) }),
        ]
    }
}

extension AdminGraph {
    fileprivate var json: JSON {
        [
            "nodes": .array(nodes.map { ["id": .string($0.id), "label": .string($0.label)] }),
            "edges": .array(edges.map { .array([.string($0.from), .string($0.to)]) }), "count": JSON(count),
        ]
    }
}

extension AdminField {
    var json: JSON {
        [
            "name": .string(name), "usual": .string(usual), "choices": .array(choices.map { .string($0) }),
            "secret": .bool(isSecret),
        ]
    }
}
