//! Reading neuvol's own field data, and VTK's time.

use super::data::{self, ArraySource};
use crate::error::Result;
use crate::io::vtk_fields::{self, ARRAY, FILL_LIMIT, FILL_VALUE, FRAME, Fields, TIME};

/// What a file says in field data.
pub(super) fn read(source: &mut ArraySource) -> Result<Fields> {
    let document = source.document;
    let named = |name: &str| document.fields.iter().find(|array| array.name == name);
    let mut fields = Fields::default();
    if let Some(array) = named(FRAME) {
        let name = data::read_text(source, array)?.unwrap_or_default();
        fields.frame = vtk_fields::frame(source.path, &name)?;
    }
    if let Some(array) = named(ARRAY) {
        fields.array = data::read_text(source, array)?;
    }
    if let Some(array) = named(FILL_VALUE) {
        fields.fill_value = Some(data::read(source, array, 0, 1)?.get(0));
    }
    if let Some(array) = named(FILL_LIMIT) {
        fields.fill_limit = Some(data::read(source, array, 0, 1)?.get(0));
    }
    if let Some(array) = named(TIME).filter(|array| array.is_numeric()) {
        fields.time = Some(data::read(source, array, 0, 1)?.get(0)).filter(|time| time.is_finite());
    }
    Ok(fields)
}
