import CanonicalJSON

extension Field {
  /// A parameter of a method, which no table holds.
  package static func parameter(
    _ name: String, _ type: FieldType, _ summary: String, isRequired: Bool = false
  ) -> Field {
    var field = Field(name: name, type: type)
    field.summary = summary
    field.isRequired = isRequired
    field.isParameter = true
    return field
  }

  /// A whole number in a range.
  package static func count(
    _ name: String, _ summary: String, in range: ClosedRange<Int64>, default value: Int64? = nil
  ) -> Field {
    var field = parameter(name, range.upperBound > Int64(Int32.max) ? .bigint : .integer, summary)
    field.minimum = Double(range.lowerBound)
    // The type's own bound, which a double can't express, is checked by the type.
    if range.upperBound != .max { field.maximum = Double(range.upperBound) }
    field.defaultValue = value.map(JSON.integer)
    return field
  }

  /// One of some words.
  package static func choice(
    _ name: String, _ summary: String, of words: [String], default value: String? = nil
  ) -> Field {
    var field = parameter(name, .enum, summary)
    field.values = words
    field.defaultValue = value.map(JSON.string)
    return field
  }

  /// A text of at most so many bytes.
  package static func text(
    _ name: String, _ summary: String, atMost bytes: Int, isRequired: Bool = false
  ) -> Field {
    var field = parameter(name, .text, summary, isRequired: isRequired)
    field.maximumBytes = bytes
    return field
  }

  /// A moment: a position, or a time.
  package static func moment(_ name: String, _ summary: String) -> Field {
    var field = parameter(name, .json, summary)
    field.alternatives = [
      count("position", "A position.", in: 1...Int64.max), parameter("time", .timestamp, "A time."),
    ]
    return field
  }
}
