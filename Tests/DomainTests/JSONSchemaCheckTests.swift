import BasicTypes
import CanonicalJSON
import DaybookTestKit
import Domain
import EventLog
import Refusals
import Testing

/// The configuration schemas of module templates, through the commands that use them.
@Suite struct JSONSchemaCheckTests {
  @Test func `names that differ in normalization alone are two definitions, and end nothing`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let twins: JSON = [
      "$defs": ["\u{e9}": ["type": "string"], "e\u{301}": ["$ref": "#/$defs/\u{e9}"]],
      "properties": ["a": ["$ref": "#/$defs/e\u{301}"]],
    ]
    let made = try await book.call("module_template.create", template(twins, acme))
    #expect(made["version"] == 1)
    let circle: JSON = ["$defs": ["\u{e9}": ["$ref": "#/$defs/e\u{301}"], "e\u{301}": ["$ref": "#/$defs/\u{e9}"]]]
    var refused = template(circle, acme)
    refused["name"] = "other"
    #expect(try await book.refusal("module_template.create", refused).paths == ["/config_schema/$defs"])
  }

  /// Schemas that look at one long value again and again, each by another keyword;
  /// the values are refused, not worked through.
  @Test(
    arguments: [
      ["minLength": 1], ["maxLength": 9_000_000], ["const": "x"], ["enum": ["x", "y"]], ["uniqueItems": true],
    ] as [JSONObject])
  func `what a schema costs is counted in bytes, whatever the keyword`(_ keyword: JSONObject) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    var definitions: JSONObject = ["d0": .object(keyword)]
    for level in 1...12 {
      let lower: JSON = ["$ref": .string("#/$defs/d\(level - 1)")]
      definitions["d\(level)"] = ["allOf": [lower, lower]]
    }
    let text = JSON.string(String(repeating: "é", count: 100_000))
    let schema: JSON = [
      "$defs": .object(definitions), "properties": ["v": ["allOf": [["$ref": "#/$defs/d12"]]]],
    ]
    let value: JSON = keyword["uniqueItems"] == nil ? text : [text, 1]
    let refused = try await book.refusal("module_template.create", template(schema, acme, defaults: ["v": value]))
    #expect(refused.message.contains("too many steps"))
  }

  @Test func `long names get no suggestion, and problems come to an end`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let long = String(repeating: "n", count: 40_000)
    let schema: JSON = ["properties": [long: true], "additionalProperties": false]
    var config: JSONObject = [:]
    for number in 0..<500 { config["\(long)\(number)"] = 1 }
    let refused = try await book.refusal("module_template.create", template(schema, acme, defaults: .object(config)))
    #expect(refused.paths.count == 100)
    #expect(!refused.message.contains("did you mean"))
  }

  private func template(_ schema: JSON, _ acme: String, defaults: JSON? = .none) -> JSONObject {
    var params: JSONObject = [
      "name": "m", "category": "extractor", "type": "postgres", "organization_id": .string(acme),
      "config_schema": schema,
    ]
    if let defaults { params["default_config"] = defaults }
    return params
  }

  @Test(
    arguments: [
      (["type": "text"], "/config_schema/type"), (["type": ["string", 1]], "/config_schema/type"),
      (["type": []], "/config_schema/type"), (["enum": []], "/config_schema/enum"),
      (["enum": 1], "/config_schema/enum"),
      (["required": "a"], "/config_schema/required"), (["required": [1]], "/config_schema/required"),
      (["properties": []], "/config_schema/properties"),
      (["properties": ["host": "text"]], "/config_schema/properties/host"),
      (["properties": ["a/b": ["typ": "string"]]], "/config_schema/properties/a~1b/typ"),
      (["additionalProperties": 1], "/config_schema/additionalProperties"), (["items": 1], "/config_schema/items"),
      (["minItems": -1], "/config_schema/minItems"), (["maxLength": 1.5], "/config_schema/maxLength"),
      (["uniqueItems": "yes"], "/config_schema/uniqueItems"), (["minimum": "1"], "/config_schema/minimum"),
      (["multipleOf": 0], "/config_schema/multipleOf"), (["anyOf": []], "/config_schema/anyOf"),
      (["allOf": [[:], 3]], "/config_schema/allOf/1"), (["not": "x"], "/config_schema/not"),
      (["pattern": "(a"], "/config_schema/pattern"), (["pattern": "(a)\\1"], "/config_schema/pattern"),
      (["pattern": "a(?=b)"], "/config_schema/pattern"), (["pattern": "\\p{L}"], "/config_schema/pattern"),
      (["pattern": "(a{100}){100}"], "/config_schema/pattern"), (["pattern": "[z-a]"], "/config_schema/pattern"),
      (["patternProperties": ["[": true]], "/config_schema/patternProperties/["), (["if": 1], "/config_schema/if"),
      (["items": [["type": "string"]]], "/config_schema/items"),
      (["dependentRequired": ["a": "b"]], "/config_schema/dependentRequired"),
      (["definitions": ["a": ["$ref": "#/definitions/a"]]], "/config_schema/$defs"),
      (["$ref": "#/definitions/a"], "/config_schema/$ref"),
      (["$ref": "https://example.org/schema"], "/config_schema/$ref"),
      (["$ref": "#/$defs/a", "$defs": ["b": true]], "/config_schema/$ref"),
      (["properties": ["a": ["$defs": ["b": true]]]], "/config_schema/properties/a/$defs"),
      (["$defs": ["a": ["$ref": "#/$defs/b"], "b": ["anyOf": [["$ref": "#/$defs/a"]]]]], "/config_schema/$defs"),
      (["title": 1], "/config_schema/title"), (["description": 1], "/config_schema/description"),
    ] as [(JSON, String)])
  func `a schema that cannot be checked is refused with the place`(_ schema: JSON, _ path: String) async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    #expect(try await book.refusal("module_template.create", template(schema, acme)).paths == [path])
    let id = try await book.make("module_template", template([:], acme))
    let edited = try await book.refusal("module_template.edit", ["id": .string(id), "config_schema": schema])
    #expect(edited.paths == [path])
  }

  /// A schema, values that satisfy it, and values that don't with where they are refused.
  private static let cases: [(schema: JSON, fits: [JSON], refused: [(JSON, [String])])] = [
    (
      [
        "type": "object", "properties": ["port": ["type": "integer", "minimum": 1, "maximum": 65535]],
        "required": ["port"],
      ],
      [["port": 1], ["port": 65535, "other": "x"]],
      [
        ([:], ["/port"]), (["port": 0], ["/port"]), (["port": 65536], ["/port"]), (["port": "1"], ["/port"]),
        ([], [""]),
      ]
    ),
    (
      ["properties": ["a": true, "b": false], "additionalProperties": false], [["a": 1], [:], 3],
      [(["b": 1], ["/b"]), (["c": 1, "a": 1], ["/c"])]
    ),
    (["additionalProperties": ["type": "string"]], [["x": "y"]], [(["x": 1, "y~": 2], ["/x", "/y~0"])]),
    (
      ["type": "array", "items": ["type": "number"], "minItems": 1, "maxItems": 3, "uniqueItems": true],
      [[1], [1, 2.5, 3]],
      [([], [""]), ([1, 2, 3, 4], [""]), ([1, 1], [""]), ([1, "a"], ["/1"])]
    ),
    (["enum": ["a", 1, nil, ["k": 1]]], ["a", 1, nil, ["k": 1]], [("b", [""]), (2, [""]), (["k": 2], [""])]),
    (["const": ["a": [1]]], [["a": [1]]], [(["a": [2]], [""])]),
    (["exclusiveMinimum": 0, "exclusiveMaximum": 1], [0.5, "text"], [(0, [""]), (1, [""])]),
    (["multipleOf": 0.1], [0.3, 7, 1e10], [(0.25, [""])]), (["multipleOf": 3], [9, -3, 0], [(10, [""])]),
    (["minLength": 2, "maxLength": 3], ["éé", "😀😀😀", 5], [("a", [""]), ("abcd", [""])]),
    (["type": ["integer", "null"]], [1, 1e300, nil], [(1.5, [""]), (true, [""])]),
    (["anyOf": [["type": "string"], ["minimum": 3]]], ["x", 3], [(2, [""])]),
    (["oneOf": [["type": "integer"], ["minimum": 3]]], [1, 3.5], [(3, [""]), (1.5, [""])]),
    (["allOf": [["minimum": 1], ["maximum": 2]]], [1, 2], [(0, [""]), (3, [""])]),
    (["not": ["type": "string"]], [1], [("x", [""])]),
    (
      [
        "$ref": "#/$defs/tree",
        "$defs": [
          "tree": [
            "type": "object", "required": ["name"],
            "properties": ["name": ["type": "string"], "children": ["items": ["$ref": "#/$defs/tree"]]],
          ]
        ],
      ],
      [["name": "a"], ["name": "a", "children": [["name": "b", "children": []]]]],
      [
        (["name": "a", "children": [["name": "b"], ["name": 1]]], ["/children/1/name"]), (["children": []], ["/name"]),
      ]
    ),
    (
      ["pattern": "^[a-z][a-z0-9_]{1,3}$"], ["ab", "a_9", 7],
      [("a", [""]), ("abcde", [""]), ("Ab", [""]), ("ab\n", [""])]
    ),
    (["pattern": "\\bnew\\b|^\\d{4}-\\d\\d$"], ["a new one", "2025-01"], [("renew", [""]), ("x2025-01", [""])]),
    (["pattern": "^(?:é|\\u{1F600})+?.\\.$"], ["éé😀x."], [("x.", [""])]),
    (
      [
        "properties": ["a": true], "patternProperties": ["^x-": ["type": "string"]], "additionalProperties": false,
        "propertyNames": ["maxLength": 4], "minProperties": 1, "maxProperties": 2,
      ],
      [["a": 1, "x-b": "c"]],
      [(["x-b": 1], ["/x-b"]), (["b": 1], ["/b"]), ([:], [""]), (["x-toolong": "c"], ["/x-toolong"])]
    ),
    (
      [
        "if": ["properties": ["auth": ["const": "basic"]], "required": ["auth"]], "then": ["required": ["user"]],
        "else": ["required": ["token"]],
      ],
      [["auth": "basic", "user": "u"], ["auth": "none", "token": "t"]],
      [(["auth": "basic", "token": "t"], ["/user"]), (["user": "u"], ["/token"])]
    ),
    (
      ["dependentRequired": ["a": ["b"]], "dependentSchemas": ["c": ["required": ["d"]]]],
      [["a": 1, "b": 1], ["b": 1]],
      [(["a": 1], ["/b"]), (["c": 1], ["/d"])]
    ),
    (
      ["prefixItems": [["type": "string"]], "items": ["type": "integer"], "contains": ["const": 7], "maxContains": 1],
      [["a", 7], ["a", 1, 7]], [([7], ["/0"]), (["a", "b", 7], ["/1"]), (["a"], [""]), (["a", 7, 7], [""])]
    ),
    (
      [
        "$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/n",
        "definitions": ["n": ["type": "integer"]],
      ],
      [1], [("x", [""])]
    ),
    (
      [
        "title": "t", "description": "d", "default": 1, "format": "ipv4", "examples": [1], "$comment": "c",
        "$schema": "https://json-schema.org/draft/2020-12/schema", "readOnly": true,
      ], [1, "no address"], []
    ),
  ]

  @Test(arguments: cases.indices)
  func `a value is taken where it satisfies the schema, and otherwise refused with the place`(_ index: Int) async throws
  {
    let one = Self.cases[index]
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    for value in one.fits where !value.isNull {
      try await book.call("module_template.create", template(one.schema, acme, defaults: value))
    }
    for (value, paths) in one.refused {
      let error = try await book.refusal("module_template.create", template(one.schema, acme, defaults: value))
      #expect(error.paths == paths.map { "/default_config" + $0 }, "\(value)")
    }
  }

  @Test func `no pattern takes more than linear time`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let text = JSON.string(String(repeating: "a", count: 20_000))
    for pattern in ["^(a*)*b$", "^(a|aa)+$c", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
      let began = ContinuousClock.now
      let refused = try await book.refusal(
        "module_template.create", template(["pattern": .string(pattern)], acme, defaults: text))
      #expect(refused.paths == ["/default_config"], "\(pattern)")
      #expect(ContinuousClock.now - began < .seconds(20), "\(pattern)")
    }
    // What would cost too much altogether is given up.
    let long = JSON.string(String(repeating: "a", count: 900_000))
    let many = try await book.refusal(
      "module_template.create", template(["pattern": "^(a|b|c|[a-d]){0,150}$"], acme, defaults: long))
    #expect(many.message.contains("too many steps"))
  }

  @Test func `a schema that would take forever is given up`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    // Each definition asks the next one twice: 2^40 comparisons.
    var definitions: JSONObject = ["d40": ["minimum": 1]]
    for number in 0..<40 {
      let next: JSON = ["$ref": .string("#/$defs/d\(number + 1)")]
      definitions["d\(number)"] = ["allOf": [next, next]]
    }
    let schema: JSON = ["$ref": "#/$defs/d0", "$defs": .object(definitions)]
    let error = try await book.refusal("module_template.create", template(schema, acme, defaults: 5))
    #expect(error.paths == ["/default_config"])
    #expect(error.message.contains("too many steps"))
  }

  @Test func `a default must satisfy the schema after an edit of either`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let id = try await book.make(
      "module_template", template(["type": "object"], acme, defaults: ["a": 1]))
    let strict = try await book.refusal(
      "module_template.edit", ["id": .string(id), "config_schema": ["type": "object", "required": ["b"]]])
    #expect(strict.paths == ["/default_config/b"])
    #expect(
      try await book.refusal("module_template.edit", ["id": .string(id), "default_config": 1]).paths == [
        "/default_config"
      ])
    try await book.call(
      "module_template.edit",
      ["id": .string(id), "config_schema": ["type": "object", "required": ["b"]], "default_config": ["b": 1]])
    #expect(try book.item(id)["version_number"] == 2)
  }

  @Test func `a flow's node has a configuration that its module template allows`() async throws {
    let book = try TestDomain()
    let acme = try await book.organization("acme")
    let other = try await book.organization("other")
    let schema: JSON = [
      "type": "object", "required": ["host", "port"], "additionalProperties": false,
      "properties": ["host": ["type": "string"], "port": ["type": "integer"]],
    ]
    let id = try await book.make(
      "module_template", template(schema, acme, defaults: ["host": "h", "port": 5432]))
    let hidden = try await book.make("module_template", template(schema, other))
    func flow(_ nodes: JSON) -> JSONObject {
      ["name": "p", "config": ["nodes": nodes], "organization_id": .string(acme)]
    }
    // What a node leaves out, the default fills in.
    let made = try await book.make(
      "pipeline",
      flow([
        ["module_template_id": .string(id), "config": ["port": 1]], ["template_id": .string(id)],
        ["template_id": "its own word", "config": 3], ["id": "free"],
      ]))
    let error = try await book.refusal(
      "pipeline.create",
      flow([
        ["module_template_id": .string(id), "config": ["port": "x", "hots": "h"]],
        ["template_id": .string(hidden)], ["module_template_id": "no id"],
      ]))
    #expect(
      error.paths == [
        "/config/nodes/0/config/hots", "/config/nodes/0/config/port", "/config/nodes/1/template_id",
        "/config/nodes/2/module_template_id",
      ])
    let edited = try await book.refusal(
      "pipeline.edit",
      ["id": .string(made), "config": ["nodes": [["template_id": .string(id), "config": ["host": 1]]]]])
    #expect(edited.paths == ["/config/nodes/0/config/host"])
    try await book.call("pipeline.edit", ["id": .string(made), "name": "what isn't given isn't checked"])
    // A public one of another organization serves as well.
    try await book.call("module_template.edit", ["id": .string(hidden), "is_public": true])
    try await book.call(
      "pipeline.create",
      flow([["template_id": .string(hidden), "config": ["host": "h", "port": 2]]]))
  }
}
