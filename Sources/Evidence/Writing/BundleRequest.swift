import BasicTypes
import CanonicalJSON

/// What a bundle is asked to be: the parameters of `export.create`, and what is made of the records besides.
package struct BundleRequest: Sendable, Equatable {
  /// Files that are made of the records on request.
  package enum Mapping: String, Sendable, CaseIterable {
    /// Open Cybersecurity Schema Framework.
    case ocsf
    /// W3C PROV-JSON.
    case prov
    /// OSCAL assessment results.
    case oscal
  }

  /// The parameters of `export.create`, the reason among them; no `command_id`.
  package var parameters: JSONObject
  /// What for: the reason.
  package var purpose: String
  /// Which mappings are made, each once.
  package var mappings: [Mapping]
  /// The sizes of earlier trees of which it is to prove that this one grew out of them.
  package var earlierSizes: [UInt64]

  /// A request of these parts.
  package init(parameters: JSONObject, purpose: String, mappings: [Mapping], earlierSizes: [UInt64]) {
    self.parameters = parameters
    self.parameters["reason"] = .string(purpose)
    self.purpose = purpose
    self.mappings = Mapping.allCases.filter { mappings.contains($0) }
    self.earlierSizes = Array(Set(earlierSizes)).sorted()
  }

  /// Whether values are asked for in the clear.
  var isDecrypted: Bool { parameters["decrypted"]?.boolValue ?? false }

  var json: JSONObject {
    [
      "earlier_sizes": .array(earlierSizes.map { JSON(position: $0) }),
      "mappings": .array(mappings.map { .string($0.rawValue) }), "parameters": .object(parameters),
    ]
  }
}
