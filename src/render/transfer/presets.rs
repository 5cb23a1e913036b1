//! Named transfer functions for CT, by Hounsfield units.

use super::TransferFunction;

/// A transfer function for CT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Bone, ivory and opaque; all else left out.
    Bone,
    /// Skin, muscle and organs, with bone inside.
    SoftTissue,
    /// Airways and vessels of the lung.
    Lung,
    /// Vessels with contrast agent, and bone.
    Angiography,
}

type Points = (&'static [(f64, [f32; 3])], &'static [(f64, f32)]);

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 4] = [Preset::Bone, Preset::SoftTissue, Preset::Lung, Preset::Angiography];

    /// `bone`, `soft-tissue`, `lung`, `angiography`.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Bone => "bone",
            Preset::SoftTissue => "soft-tissue",
            Preset::Lung => "lung",
            Preset::Angiography => "angiography",
        }
    }

    /// The one of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Its colours and opacities, the values in Hounsfield units.
    pub fn transfer_function(self) -> TransferFunction {
        let (colours, opacities): Points = match self {
            Preset::Bone => (
                &[
                    (130.0, [0.70, 0.36, 0.24]),
                    (220.0, [0.88, 0.66, 0.46]),
                    (400.0, [0.96, 0.87, 0.72]),
                    (1200.0, [1.0, 0.98, 0.92]),
                ],
                &[(180.0, 0.0), (260.0, 0.15), (380.0, 0.75), (700.0, 0.95)],
            ),
            Preset::SoftTissue => (
                &[
                    (-200.0, [0.80, 0.56, 0.42]),
                    (-60.0, [0.90, 0.68, 0.50]),
                    (30.0, [0.80, 0.38, 0.30]),
                    (120.0, [0.86, 0.52, 0.38]),
                    (300.0, [0.97, 0.90, 0.78]),
                ],
                &[(-250.0, 0.0), (-150.0, 0.04), (-40.0, 0.10), (20.0, 0.25), (120.0, 0.45), (300.0, 0.9)],
            ),
            Preset::Lung => (
                &[
                    (-950.0, [0.20, 0.30, 0.45]),
                    (-700.0, [0.45, 0.62, 0.80]),
                    (-400.0, [0.85, 0.70, 0.66]),
                    (0.0, [0.90, 0.55, 0.45]),
                    (200.0, [0.98, 0.94, 0.86]),
                ],
                &[
                    (-900.0, 0.0),
                    (-800.0, 0.010),
                    (-600.0, 0.05),
                    (-400.0, 0.11),
                    (-250.0, 0.0),
                    (250.0, 0.0),
                    (400.0, 0.25),
                ],
            ),
            Preset::Angiography => (
                &[
                    (120.0, [0.55, 0.05, 0.04]),
                    (220.0, [0.85, 0.16, 0.10]),
                    (380.0, [0.95, 0.45, 0.28]),
                    (600.0, [0.98, 0.90, 0.78]),
                ],
                &[(130.0, 0.0), (200.0, 0.15), (300.0, 0.6), (600.0, 0.9)],
            ),
        };
        TransferFunction { colours: colours.to_vec(), opacities: opacities.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_transfer_functions_with_names() {
        for preset in Preset::ALL {
            let TransferFunction { colours, opacities } = preset.transfer_function();
            TransferFunction::new(colours, opacities).unwrap();
            assert_eq!(Preset::from_name(preset.name()), Some(preset));
            assert_eq!(preset.transfer_function().opacity(-1000.0), 0.0, "air");
        }
        assert!(Preset::Bone.transfer_function().opacity(60.0) == 0.0, "muscle");
    }
}
