//! Real World Value Mapping (PS3.3, C.7.6.16.2.11): what the numbers of a parametric map are.

use super::attributes::Attributes;
use crate::io::rescale::Rescale;
use dicom_dictionary_std::tags;

/// A line from stored to real values, and their unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RealWorldMapping {
    pub(super) rescale: Rescale,
    /// As UCUM writes it; empty for numbers without one.
    pub(super) unit: String,
}

impl RealWorldMapping {
    /// That of a frame; an error where it cannot be used: a table, or several that differ.
    pub(super) fn of(attributes: &Attributes) -> Result<Option<Self>, String> {
        let mut found: Option<Self> = None;
        for item in attributes.group_items(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE) {
            let number = |tag| item.number(tag).map_err(|e| e.to_string());
            let Some(slope) = number(tags::REAL_WORLD_VALUE_SLOPE)? else {
                return Err(
                    "its Real World Value Mapping is a table (0040,9212), which is not supported".into()
                );
            };
            let intercept = number(tags::REAL_WORLD_VALUE_INTERCEPT)?.unwrap_or(0.0);
            if slope == 0.0 || !slope.is_finite() || !intercept.is_finite() {
                return Err(format!(
                    "Real World Value Slope (0040,9225) is {slope}, the intercept {intercept}"
                ));
            }
            let code = item.items(tags::MEASUREMENT_UNITS_CODE_SEQUENCE).next();
            let is_ucum = |code: &Attributes| code.text(tags::CODING_SCHEME_DESIGNATOR) == "UCUM";
            let unit = code.filter(is_ucum).map_or(String::new(), |code| code.text(tags::CODE_VALUE));
            // 1, and whatever stands in braces, are names of numbers.
            let unit = if unit == "1" || unit.starts_with('{') { String::new() } else { unit };
            let mapping = Self { rescale: Rescale { slope, intercept }, unit };
            match &found {
                Some(other) if *other != mapping => {
                    return Err("it has several Real World Value Mappings (0040,9096) that differ".into());
                }
                _ => found = Some(mapping),
            }
        }
        Ok(found)
    }
}
