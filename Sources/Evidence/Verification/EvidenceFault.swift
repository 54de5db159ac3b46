import CanonicalJSON

/// Something in a bundle that contradicts what it must be: in which file, on which line, about which event.
package struct EvidenceFault: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file, by its name in the folder.
  package let file: String
  /// The line in it, from 1; nil where it is about the whole.
  package let line: Int?
  /// The position of the event that it is about.
  package let position: UInt64?
  /// What is wrong, as it follows the file's name.
  package let what: String

  /// A fault of these parts.
  package init(_ file: String, line: Int? = nil, position: UInt64? = nil, _ what: String) {
    self.file = file
    self.line = line
    self.position = position
    self.what = what
  }

  /// A sentence for a person.
  package var description: String {
    var place = file
    if let line { place += ", line \(line)" }
    if let position { place += " (position \(position))" }
    return "\(place): \(what)."
  }

  /// The fault for programs.
  package var json: JSONObject {
    var object: JSONObject = ["file": .string(file), "what": .string(what)]
    if let line { object["line"] = .integer(Int64(line)) }
    if let position { object["position"] = JSON(position: position) }
    return object
  }
}
